import { useState } from 'react';
import { useQuery } from 'urql';
import { Link } from 'wouter';
import { operationErrorOf } from '../graphql/errors.ts';
import type { RequestSummaryFragment } from '../graphql/generated.ts';
import { useKeptData } from '../graphql/use-kept-data.ts';
import { type Arrival, useIsLive, useLive } from '../live/live-context.tsx';
import { usePolling } from '../live/use-polling.ts';
import { useReadOnEvents } from '../live/use-read-on-events.ts';
import { formatTime } from '../ui/format.ts';
import { EmptyState, LoadNotice, Skeleton } from '../ui/notice.tsx';
import { DeliveryChip, isFailingCallback } from './delivery-state.tsx';
import { newestRequests, pageSize } from './newest-requests.ts';
import { StatusChip } from './status-chip.tsx';

/** The code, or what is known instead, in a few words. */
function textOf({ voucher, status }: RequestSummaryFragment, arrival: Arrival | undefined) {
  const code = voucher?.code ?? arrival?.voucher.code;
  if (code) return <code>{code}</code>;
  return status === 'PENDING' ? 'No code yet' : 'No voucher';
}

/** The user's requests, newest first. */
export function RequestList({ current }: { current: string | null }) {
  const { arrivals } = useLive();
  // The page after this cursor; the newest without one.
  const [after, setAfter] = useState<string | null>(null);
  const [{ data: answer, error, stale }, read] = useQuery({
    ...newestRequests,
    variables: { first: pageSize, after },
  });
  const data = useKeptData(answer, String(after));
  const reread = () => read({ requestPolicy: 'network-only' });
  useReadOnEvents(reread);
  // Where no WebSocket is possible, nothing else tells of a code.
  const isPending = data?.voucherRequests.nodes.some(({ status }) => status === 'PENDING') ?? false;
  const isLive = useIsLive();
  usePolling(reread, isPending && !isLive);

  if (error && !data) return <LoadNotice what="your requests" error={operationErrorOf(error)} onRetry={() => read()} />;
  if (!data) return <Skeleton rows={3} label="Reading your requests" />;
  const { nodes, pageInfo } = data.voucherRequests;
  if (nodes.length === 0)
    return <EmptyState title="No requests yet">Your first one will appear here, with each of its steps.</EmptyState>;
  return (
    <>
      <ul className="rows surface" aria-busy={stale}>
        {nodes.map((request) => (
          <li key={request.id}>
            <Link href={`/requests/${request.id}`} aria-current={request.id === current ? 'true' : undefined}>
              <time dateTime={request.requestedAt}>{formatTime(Date.parse(request.requestedAt))}</time>
              <span className="row-code">{textOf(request, arrivals.get(request.id))}</span>
              <span className="chips">
                {request.deliveries?.filter(isFailingCallback).map((delivery) => (
                  <DeliveryChip key={delivery.id} delivery={delivery} />
                ))}
                <StatusChip request={request} arrival={arrivals.get(request.id)} />
              </span>
            </Link>
          </li>
        ))}
      </ul>
      {(pageInfo.hasNextPage || after) && (
        <p className="buttons">
          <button type="button" className="button quiet" disabled={!after} onClick={() => setAfter(null)}>
            Newest
          </button>
          <button
            type="button"
            className="button quiet"
            disabled={!pageInfo.hasNextPage}
            onClick={() => setAfter(pageInfo.endCursor)}
          >
            Older
          </button>
        </p>
      )}
    </>
  );
}
