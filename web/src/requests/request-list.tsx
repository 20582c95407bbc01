import { useState } from 'react';
import { useQuery } from 'urql';
import { Link } from 'wouter';
import { operationErrorOf } from '../graphql/errors.ts';
import { VoucherRequestsDocument } from '../graphql/generated.ts';
import { useLive } from '../live/live-context.tsx';
import { useReadOnEvents } from '../live/use-read-on-events.ts';
import { formatTime } from '../ui/format.ts';
import { EmptyState, ErrorNotice, Skeleton } from '../ui/notice.tsx';
import { StatusChip } from './status-chip.tsx';

const pageSize = 10;
/** An empty list has none of these in it, and would not be read again after a request. */
const dependsOn = { additionalTypenames: ['VoucherRequest'] };

/** The user's requests, newest first. */
export function RequestList({ current }: { current: string | null }) {
  const { arrivals } = useLive();
  const [count, setCount] = useState(pageSize);
  const [{ data, error }, read] = useQuery({
    query: VoucherRequestsDocument,
    variables: { first: count },
    context: dependsOn,
  });
  useReadOnEvents(() => read({ requestPolicy: 'network-only' }));

  if (error && !data) return <ErrorNotice error={operationErrorOf(error)} onRetry={() => read()} />;
  if (!data) return <Skeleton rows={3} label="Reading your requests" />;
  const { nodes, pageInfo } = data.voucherRequests;
  if (nodes.length === 0)
    return <EmptyState title="No requests yet">Your first one will appear here, with each of its steps.</EmptyState>;
  return (
    <>
      <ul className="rows">
        {nodes.map((request) => (
          <li key={request.id}>
            <Link href={`/requests/${request.id}`} aria-current={request.id === current ? 'true' : undefined}>
              <time dateTime={request.requestedAt}>{formatTime(Date.parse(request.requestedAt))}</time>
              <span className="row-code">
                {request.voucher?.code ?? arrivals.get(request.id)?.voucher.code ?? request.message}
              </span>
              <StatusChip request={request} />
            </Link>
          </li>
        ))}
      </ul>
      {pageInfo.hasNextPage && count < 100 && (
        <button type="button" className="button quiet" onClick={() => setCount(Math.min(count + 3 * pageSize, 100))}>
          Show more
        </button>
      )}
    </>
  );
}
