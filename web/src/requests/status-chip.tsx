import type { RequestSummaryFragment } from '../graphql/generated.ts';

/** The state of a request in a word. */
export function StatusChip({
  request: { status, voucher },
}: {
  request: Pick<RequestSummaryFragment, 'status' | 'voucher'>;
}) {
  if (status === 'PENDING') return <span className="chip pending">In progress</span>;
  if (status === 'FAILED') return <span className="chip failed">Failed</span>;
  return voucher?.status === 'LATE_SUCCESS' ? (
    <span className="chip late">Late</span>
  ) : (
    <span className="chip done">Ready</span>
  );
}
