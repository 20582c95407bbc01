import type { SoakClient } from './client.ts';
import type { Ledger, LedgerRequest, SeenVoucher } from './ledger.ts';

const feedQuery =
  'query ($after: String) { purchasedVouchers(first: 100, after: $after) { nodes { id requestId code } pageInfo { hasNextPage endCursor } } }';
const requestQuery = 'query ($id: ID!) { voucherRequest(id: $id) { status failureReason } }';

interface Page {
  nodes: Omit<SeenVoucher, 'customer'>[];
  pageInfo: { hasNextPage: boolean; endCursor: string };
}

/** A customer's vouchers, in feed order. */
export async function readStored({ phoneNumber, graphql }: SoakClient): Promise<SeenVoucher[]> {
  const vouchers: SeenVoucher[] = [];
  let after: string | null = null;
  for (;;) {
    const { nodes, pageInfo }: Page = (await graphql(feedQuery, { after })).purchasedVouchers;
    for (const { id, requestId, code } of nodes) vouchers.push({ customer: phoneNumber, id, requestId, code });
    if (!pageInfo.hasNextPage) return vouchers;
    after = pageInfo.endCursor;
  }
}

/** Returns the requests that have failed. */
export async function readFailed(
  clients: readonly SoakClient[],
  requests: readonly LedgerRequest[],
): Promise<Ledger['failed'][number][]> {
  const clientOf = new Map(clients.map((client) => [client.phoneNumber, client]));
  const failed: Ledger['failed'][number][] = [];
  for (const { customer, ids } of requests) {
    const { voucherRequest } = (await clientOf.get(customer)?.graphql(requestQuery, { id: ids[0] })) ?? {};
    if (voucherRequest?.status === 'FAILED')
      failed.push({ requestId: ids[0] ?? '', reason: voucherRequest.failureReason });
  }
  return failed;
}

/** The orders in the provider's ledger. */
export async function readSold(vpsUrl: string): Promise<Ledger['sold'][number][]> {
  const { orders } = (await (await fetch(`${vpsUrl}/control/ledger`)).json()) as {
    orders: { key: string; voucherCode: string }[];
  };
  return orders.map(({ key, voucherCode }) => ({ requestId: key, code: voucherCode }));
}
