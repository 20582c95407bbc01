import type { OperationError } from '../graphql/errors.ts';

interface ListStateProps {
  /** The number of rows that are held back; infinite if there are more than a page has. */
  held?: number;
  /** What they are, such as `request`. */
  what?: string;
  onShow?(): void;
  /** Why what is shown is not current. */
  error?: OperationError | null;
  onRetry?(): void;
}

/** Says beside a heading that there is more than what is shown. Its line is as high without it, so that nothing moves. */
export function ListState({ held = 0, what = '', onShow, error, onRetry }: ListStateProps) {
  return (
    <span className="list-state" role="status">
      {error && (
        <>
          <span className="chip pending" title={error.message}>
            Not up to date
          </span>
          <button type="button" className="button quiet small" onClick={onRetry}>
            Try again
          </button>
        </>
      )}
      {held > 0 && (
        <button type="button" className="button small new-rows" onClick={onShow}>
          {offerText(held, what)}
        </button>
      )}
    </span>
  );
}

function offerText(held: number, what: string): string {
  if (held === Infinity) return `Show the newest ${what}s`;
  return `Show ${held} new ${held === 1 ? what : `${what}s`}`;
}
