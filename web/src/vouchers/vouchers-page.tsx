import { useQuery } from 'urql';
import { useSearchParams } from 'wouter';
import { useCommands } from '../api/commands.tsx';
import { operationErrorOf } from '../graphql/errors.ts';
import { PurchasedVouchersDocument } from '../graphql/generated.ts';
import { useKeptData } from '../graphql/use-kept-data.ts';
import { useReadOnEvents } from '../live/use-read-on-events.ts';
import { timeZoneName } from '../ui/format.ts';
import { EmptyState, LoadNotice, Skeleton } from '../ui/notice.tsx';
import { filterOf, textsOf } from './filter.ts';
import { FilterForm } from './filter-form.tsx';
import { VoucherTable } from './voucher-table.tsx';

const pageSize = 20;

/** The user's vouchers, newest first. The address holds the filter and the page. */
export function VouchersPage() {
  const [parameters, setParameters] = useSearchParams();
  const filter = filterOf(textsOf(parameters));
  const before = parameters.get('before');
  const variables = { last: pageSize, before, filter };
  const [{ data, error, stale }, read] = useQuery({ query: PurchasedVouchersDocument, variables });
  useCommands([{ label: 'List these vouchers', document: PurchasedVouchersDocument, variables }]);
  useReadOnEvents(() => read({ requestPolicy: 'network-only' }));

  const page = useKeptData(data, JSON.stringify(variables))?.purchasedVouchers;
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  return (
    <>
      <h1>Vouchers</h1>
      <p className="lead">
        Every code that you have received, newest first. Times are in your time zone, {timeZoneName()}.
      </p>
      <FilterForm parameters={parameters} onChange={setParameters} />
      {error && !page && <LoadNotice what="your vouchers" error={operationErrorOf(error)} onRetry={() => read()} />}
      {!page && !error && <Skeleton rows={6} label="Reading your vouchers" />}
      {page && page.nodes.length === 0 && (
        <EmptyState title={isFiltered ? 'No voucher matches' : 'No vouchers yet'}>
          {isFiltered ? 'Change the code or the dates, or clear them.' : 'Each code that you receive is listed here.'}
        </EmptyState>
      )}
      {page && page.nodes.length > 0 && <VoucherTable vouchers={page.nodes.toReversed()} isStale={stale} />}
      {(before || page?.pageInfo.hasPreviousPage) && (
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
        </p>
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
