import type { OperationError } from '../graphql/errors.ts';

interface ListStateProps {
  /** The number of rows that are held back. `Infinity` if all rows of the newest page are held back. */
  held?: number;
  /** What the list contains, in the singular, such as `request`. */
  what?: string;
  onShow?(): void;
  /** Why the shown rows are not current. */
  error?: OperationError | null;
  onRetry?(): void;
}

/**
 * Shows a text beside the heading of a list: more rows have arrived, or the rows are not current. The text does not
 * change the height of the heading, so nothing moves.
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
