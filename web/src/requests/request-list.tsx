import { type RefObject, useMemo, useState } from 'react';
import { Link } from 'wouter';
import type { VoucherRequestsQuery } from '../graphql/generated.ts';
import { type Arrival, useIsLive, useLive } from '../live/live-context.tsx';
import { LoadNotice } from '../live/load-notice.tsx';
import { useLiveQuery } from '../live/use-live-query.ts';
import { usePolling } from '../live/use-polling.ts';
import { withArrivals } from '../live/with-arrivals.ts';
import { useHeldRows } from '../ui/held-rows.ts';
import { ListState } from '../ui/list-state.tsx';
import { EmptyState, Skeleton } from '../ui/notice.tsx';
import { Pager } from '../ui/pager.tsx';
import { timeText, timeZoneName } from '../ui/time-text.ts';
import { DeliveryChip, isFailingCallback } from './delivery-state.tsx';
import { newestRequests, pageSize } from './newest-requests.ts';
import { StatusChip } from './status-chip.tsx';

type Request = VoucherRequestsQuery['voucherRequests']['nodes'][number];

const noRequests: readonly Request[] = [];

/** Lists the user's requests, newest first. */
export function RequestList({ current }: { current: string | null }) {
  // The list shows the page after this cursor. If the cursor is null, the list shows the newest page.
  const [after, setAfter] = useState<string | null>(null);
  const { data, previous, error, isReading, reread } = useLiveQuery({
    ...newestRequests,
    variables: { first: pageSize, after },
  });
  const retry = () => void reread();
  // While another page is read, the rows of the previous page stay. So the buttons below the list do not move.
  const page = (data ?? (error ? undefined : previous))?.voucherRequests;
  const isNewest = data !== undefined && after === null;
  const { arrivals } = useLive();
  const latest = useMemo(() => {
    const nodes = page?.nodes ?? noRequests;
    if (!isNewest) return nodes;
    return withArrivals(nodes, [...arrivals.values()].map(requestOf), ({ requestedAt }) => requestedAt, pageSize);
  }, [page, isNewest, arrivals]);
  const pageName = data ? `after ${after}` : 'previous';
  const { list, rows, held, show } = useHeldRows(latest, pageName, current);
  // Without a WebSocket no event reports a code. So the list is polled while a request is pending.
  const isPending = rows.some(({ status }) => status === 'PENDING');
  const isLive = useIsLive();
  usePolling(retry, isPending && !isLive);
  return (
    <section className="request-list" aria-labelledby="requests">
      <div className="list-head">
        <h2 id="requests">Your requests</h2>
        <ListState held={held} what="request" onShow={show} error={data && error} onRetry={retry} />
      </div>
      <p className="hint">Times are in your time zone, {timeZoneName()}.</p>
      {!page && error && <LoadNotice what="your requests" error={error} onRetry={retry} />}
      {!page && !error && <Skeleton rows={3} label="Reading your requests" />}
      {page && rows.length === 0 && (
        <EmptyState title="No requests yet">Each one is listed here, with its code.</EmptyState>
      )}
      {rows.length > 0 && <Rows list={list} requests={rows} current={current} isBusy={isReading} isPrevious={!data} />}
      {(after || page?.pageInfo.hasNextPage) && (
        <Pager
          onNewest={after ? () => setAfter(null) : null}
          onOlder={data && page?.pageInfo.hasNextPage ? () => setAfter(page.pageInfo.endCursor) : null}
        />
      )}
    </section>
  );
}

interface RowsProps {
  list: RefObject<HTMLElement | null>;
  requests: readonly Request[];
  current: string | null;
  isBusy: boolean;
  /** Whether `requests` are still those of the previous page, while another page is read. */
  isPrevious: boolean;
}

function Rows({ list, requests, current, isBusy, isPrevious }: RowsProps) {
  const { arrivals } = useLive();
  return (
    <ul
      ref={list as RefObject<HTMLUListElement | null>}
      className="rows surface"
      aria-busy={isBusy}
      data-previous={isPrevious}
    >
      {requests.map((request) => (
        <li key={request.id}>
          <Link href={`/requests/${request.id}`} aria-current={request.id === current ? 'true' : undefined}>
            <time dateTime={request.requestedAt}>{timeText(Date.parse(request.requestedAt))}</time>
            <span className="row-code">{textOf(request, arrivals.get(request.id))}</span>
            <RowState request={request} arrival={arrivals.get(request.id)} />
          </Link>
        </li>
      ))}
    </ul>
  );
}

/** Builds the row of a request that was made in another tab or program, from the event of its code. */
function requestOf({ voucher: { requestId, requestedAt, ...voucher } }: Arrival): Request {
  return {
    id: requestId,
    status: 'FULFILLED',
    message: '',
    requestedAt,
    failureReason: null,
    voucher,
    deliveries: null,
  };
}

/** Returns the code of a request. If there is no code, returns the state of the request in a few words. */
function textOf({ voucher, status }: Request, arrival: Arrival | undefined) {
  const code = voucher?.code ?? arrival?.voucher.code;
  if (code) return <code>{code}</code>;
  return status === 'PENDING' ? 'No code yet' : 'No voucher';
}

/** Shows the same status as the request's details. Before the status, a note reports a failing callback. */
function RowState({ request, arrival }: { request: Request; arrival: Arrival | undefined }) {
  const failing = request.deliveries?.find(isFailingCallback);
  return (
    <span className="row-state">
      {failing && <DeliveryChip delivery={failing} />}
      <StatusChip request={request} arrival={arrival} />
    </span>
  );
}
