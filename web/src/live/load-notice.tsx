import { type OperationError, tryAgain } from '../graphql/errors.ts';
import { ErrorCode } from '../ui/notice.tsx';
import { useIsLive } from './live-context.tsx';

/** Says that the page could not load something. The text is the same for all services. */
export function LoadNotice({ what, error, onRetry }: { what: string; error: OperationError; onRetry: () => void }) {
  const isLive = useIsLive();
  return (
    <div className="notice failed" role="alert">
      <div>
        <p>
          <strong>We couldn’t load {what}.</strong> {error.advice !== tryAgain && error.advice}{' '}
          {isLive && 'The live connection works: new codes still arrive.'}
        </p>
        <ErrorCode code={error.code} />
      </div>
      <button type="button" className="button quiet" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
}
