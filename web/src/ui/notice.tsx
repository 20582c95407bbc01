import type { ReactNode } from 'react';
import type { OperationError } from '../graphql/errors.ts';

/** Shows an error and what to do about it. `advice` may have a link, and replaces the error's own advice. */
export function ErrorNotice({
  error,
  advice = error.advice,
  onRetry,
}: {
  error: OperationError;
  advice?: ReactNode;
  onRetry?: () => void;
}) {
  return (
    <div className="notice failed" role="alert">
      <div>
        <p>
          <strong>{error.message}</strong> {advice}
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

/** Shows the error's code, for a report of the error. */
export function ErrorCode({ code }: { code: string }) {
  return (
    <small className="code-name">
      Code: <code>{code}</code>
    </small>
  );
}

/** Shown in place of an empty list. */
export function EmptyState({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="empty">
      <strong>{title}</strong>
      <p>{children}</p>
    </div>
  );
}

/** While rows are being read, draws a line in place of each row. So nothing moves when the rows arrive. */
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
