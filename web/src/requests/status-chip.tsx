import type { RequestSummaryFragment } from '../graphql/generated.ts';
import type { Arrival } from '../live/live-context.tsx';

/**
 * Shows the state of a request in a word. `arrival` is the event of the request's code, and may be newer than
 * `request`.
 */
export function StatusChip({
  request: { status, voucher },
  arrival,
}: {
  request: Pick<RequestSummaryFragment, 'status' | 'voucher'>;
  arrival: Arrival | undefined;
}) {
  const codeStatus = voucher?.status ?? arrival?.voucher.status;
  if (status === 'PENDING' && !codeStatus) return <span className="chip pending">In progress</span>;
  if (status === 'FAILED') return <span className="chip failed">Failed</span>;
  return codeStatus === 'LATE_SUCCESS' ? (
    <span className="chip late">Ready, late</span>
  ) : (
    <span className="chip done">Ready</span>
  );
}
