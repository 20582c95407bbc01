import type { OperationError } from '../graphql/errors.ts';

interface ListStateProps {
  /** The number of rows that are held back; `Infinity` if all rows of the newest page are. */
  held?: number;
  /** What a row is, such as `request`. */
  what?: string;
  onShow?(): void;
  /** Why the shown rows are not current. */
  error?: OperationError | null;
  onRetry?(): void;
}

/**
 * Shows beside a heading that more rows have arrived, or that the rows are not current. The heading's line is as high
 * without this text, so that nothing moves.
 */
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
