import { useMemo } from 'react';
import { useSearchParams } from 'wouter';
import { useCommands } from '../api/commands.tsx';
import { PurchasedVouchersDocument } from '../graphql/generated.ts';
import { useLive } from '../live/live-context.tsx';
import { LoadNotice } from '../live/load-notice.tsx';
import { useLiveQuery } from '../live/use-live-query.ts';
import { withArrivals } from '../live/with-arrivals.ts';
import { useHeldRows } from '../ui/held-rows.ts';
import { ListState } from '../ui/list-state.tsx';
import { EmptyState, Skeleton } from '../ui/notice.tsx';
import { Pager } from '../ui/pager.tsx';
import { timeZoneName } from '../ui/time-text.ts';
import { filterOf, textsOf } from './filter.ts';
import { FilterForm } from './filter-form.tsx';
import { type Voucher, VoucherTable } from './voucher-table.tsx';

const pageSize = 20;

/** The user's vouchers, newest first. The URL contains the filter and the page of the list. */
export function VouchersPage() {
  const [parameters, setParameters] = useSearchParams();
  const filter = filterOf(textsOf(parameters));
  const before = parameters.get('before');
  const variables = { last: pageSize, before, filter };
  const { data, previous, error, isReading, reread } = useLiveQuery({ query: PurchasedVouchersDocument, variables });
  useCommands([{ label: 'List these vouchers', document: PurchasedVouchersDocument, variables }]);
  const retry = () => void reread();
  const goTo = (cursor: string | null) => setParameters(withParameter(parameters, 'before', cursor));

  // While another page is read, the rows of the previous page stay. So the buttons below the list do not move.
  const page = (data ?? (error ? undefined : previous))?.purchasedVouchers;
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  const isNewest = data !== undefined && before === null && !isFiltered;
  const { arrivals } = useLive();
  const latest = useMemo(() => {
    const nodes: Voucher[] = page?.nodes.toReversed() ?? [];
    if (!isNewest) return nodes;
    const arrived = [...arrivals.values()].map(({ voucher }) => voucher);
    return withArrivals(nodes, arrived, ({ receivedAt }) => receivedAt, pageSize);
  }, [page, isNewest, arrivals]);
  const { list, rows, held, show } = useHeldRows(latest, data ? parameters.toString() : 'previous');
  return (
    <>
      <h1>Vouchers</h1>
      <p className="lead">Every code that you have received, newest first.</p>
      <FilterForm parameters={parameters} onChange={setParameters} />
      <div className="list-head">
        <p className="hint">Times are in your time zone, {timeZoneName()}.</p>
        <ListState held={held} what="voucher" onShow={show} error={data && error} onRetry={retry} />
      </div>
      {!page && error && <LoadNotice what="your vouchers" error={error} onRetry={retry} />}
      {!page && !error && <Skeleton rows={6} label="Reading your vouchers" />}
      {page && rows.length === 0 && (
        <EmptyState title={isFiltered ? 'No voucher matches' : 'No vouchers yet'}>
          {isFiltered ? 'Change the code or the dates, or clear them.' : 'Each code that you receive is listed here.'}
        </EmptyState>
      )}
      {rows.length > 0 && <VoucherTable list={list} vouchers={rows} isBusy={isReading} isPrevious={!data} />}
      {(before || page?.pageInfo.hasPreviousPage) && (
        <Pager
          onNewest={before ? () => goTo(null) : null}
          onOlder={data && page?.pageInfo.hasPreviousPage ? () => goTo(page.pageInfo.startCursor) : null}
        />
      )}
    </>
  );
}

function withParameter(parameters: URLSearchParams, name: string, value: string | null): URLSearchParams {
  const next = new URLSearchParams(parameters);
  if (value) next.set(name, value);
  else next.delete(name);
  return next;
}
