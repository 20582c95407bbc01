import { type OperationError, tryAgain } from '../graphql/errors.ts';

/** An error with what to do about it. */
export function ErrorNotice({ error, onRetry }: { error: OperationError; onRetry?: () => void }) {
  return (
    <div className="notice failed" role="alert">
      <div>
        <p>
          <strong>{error.message}</strong> {error.advice}
        </p>
        <ErrorCode code={error.code} />
      </div>
      {onRetry && (
        <button type="button" className="button quiet" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Says that something could not be loaded, in words that do not depend on the service that failed. */
export function LoadNotice({ what, error, onRetry }: { what: string; error: OperationError; onRetry: () => void }) {
  return (
    <div className="notice failed" role="alert">
      <div>
        <p>
          <strong>We couldn’t load {what}.</strong> {error.advice !== tryAgain && error.advice}
        </p>
        <ErrorCode code={error.code} />
      </div>
      <button type="button" className="button quiet" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
}

/** Shows the error's code, for a report of the error. */
function ErrorCode({ code }: { code: string }) {
  return (
    <small className="code-name">
      Code: <code>{code}</code>
    </small>
  );
}

/** Shown in place of an empty list. */
export function EmptyState({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <div className="empty">
      <strong>{title}</strong>
      <p>{children}</p>
    </div>
  );
}

/** Lines in place of rows that are being read, so that nothing moves when the rows arrive. */
export function Skeleton({ rows, label }: { rows: number; label: string }) {
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows have no other identity.
        <span key={row}>{row === 0 && 'Loading…'}</span>
      ))}
    </div>
  );
}
