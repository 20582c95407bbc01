import { useEffect, useRef } from 'react';
import { useClient } from 'urql';
import { VoucherRequestsDocument } from '../graphql/generated.ts';
import { newestRequests } from './newest-requests.ts';

const intervalMs = 2_000;

/**
 * If the answer to `requestVoucher` was lost, looks for the new request in the list of requests. `known` has the ids of
 * the requests before. Null turns the search off. The list has no idempotency keys, so the first request that is not in
 * `known` counts as the new request.
 */
export function useLostAnswer(known: ReadonlySet<string> | null, onFound: (id: string) => void): void {
  const client = useClient();
  const latest = useRef(onFound);
  latest.current = onFound;
  useEffect(() => {
    if (!known) return;
    let left = false;
    const look = async () => {
      const { variables, context } = newestRequests;
      const options = { ...context, requestPolicy: 'network-only' } as const;
      const { data } = await client.query(VoucherRequestsDocument, variables, options).toPromise();
      if (left) return;
      const found = data?.voucherRequests.nodes.find(({ id }) => !known.has(id));
      if (found) return latest.current(found.id);
      timer = setTimeout(look, intervalMs);
    };
    let timer = setTimeout(look, intervalMs);
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [known, client]);
}
