import { useQuery } from 'urql';
import { useSearchParams } from 'wouter';
import { operationErrorOf } from '../graphql/errors.ts';
import { PurchasedVouchersDocument, type VoucherFilter } from '../graphql/generated.ts';
import { useReadOnEvents } from '../live/use-read-on-events.ts';
import { CopyCurl } from '../ui/copy-curl.tsx';
import { EmptyState, LoadNotice, Skeleton } from '../ui/notice.tsx';
import { FilterForm } from './filter-form.tsx';
import { VoucherTable } from './voucher-table.tsx';

const pageSize = 20;

/** The user's vouchers, newest first. The address holds the filter and the page. */
export function VouchersPage() {
  const [parameters, setParameters] = useSearchParams();
  const filter = filterOf(parameters);
  const before = parameters.get('before');
  const variables = { last: pageSize, before, filter };
  const [{ data, error, stale }, read] = useQuery({ query: PurchasedVouchersDocument, variables });
  useReadOnEvents(() => read({ requestPolicy: 'network-only' }));

  const page = data?.purchasedVouchers;
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  return (
    <>
      <h1>Vouchers</h1>
      <FilterForm parameters={parameters} onChange={setParameters} />
      {error && !page && <LoadNotice what="your vouchers" error={operationErrorOf(error)} onRetry={() => read()} />}
      {!page && !error && <Skeleton rows={6} label="Reading your vouchers" />}
      {page && page.nodes.length === 0 && (
        <EmptyState title={isFiltered ? 'No voucher matches' : 'No vouchers yet'}>
          {isFiltered ? 'Change the code or the dates, or clear them.' : 'Each code that you receive is listed here.'}
        </EmptyState>
      )}
      {page && page.nodes.length > 0 && <VoucherTable vouchers={page.nodes.toReversed()} isStale={stale} />}
      <p className="buttons">
        <button
          type="button"
          className="button quiet"
          disabled={!before}
          onClick={() => setParameters(withParameter(parameters, 'before', null))}
        >
          Newest
        </button>
        <button
          type="button"
          className="button quiet"
          disabled={!page?.pageInfo.hasPreviousPage}
          onClick={() => setParameters(withParameter(parameters, 'before', page?.pageInfo.startCursor ?? null))}
        >
          Older
        </button>
        <CopyCurl commands={[{ label: 'List these vouchers', document: PurchasedVouchersDocument, variables }]} />
      </p>
    </>
  );
}

/** Reads the filter of the address. A date that is none is ignored. */
function filterOf(parameters: URLSearchParams): VoucherFilter {
  const instant = (name: string, addDays: number) => {
    const date = new Date(`${parameters.get(name)}T00:00:00`);
    if (Number.isNaN(date.getTime())) return undefined;
    date.setDate(date.getDate() + addDays);
    return date.toISOString();
  };
  return { code: parameters.get('code') || undefined, receivedFrom: instant('from', 0), receivedTo: instant('to', 1) };
}

export function withParameter(parameters: URLSearchParams, name: string, value: string | null): URLSearchParams {
  const next = new URLSearchParams(parameters);
  if (value) next.set(name, value);
  else next.delete(name);
  return next;
}
