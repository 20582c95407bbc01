import { randomUUID } from 'node:crypto';
import { waitFor } from '@voucher-gateway/platform/testing/wait-for';
import pg from 'pg';
import { expect } from 'vitest';
import type { Customer } from '../customer.ts';
import { findOrder, readOrders } from '../provider-ledger.ts';
import type { System } from '../system.ts';

/** A request that the gateway has accepted. */
export interface Accepted {
  requestId: string;
  customer: Customer;
}

/**
 * Checks promises A, B and C (docs/reliability.md) from outside. It compares the accepted requests with the provider's
 * orders, the callbacks to the receiver, and the stored rows.
 */
export async function expectPromisesKept(
  accepted: readonly Accepted[],
  system: System,
  databaseUrl: string,
): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const callsOf = ({ requestId, customer }: Accepted) =>
      customer.receiver.calls.filter(
        ({ json }) => (json as { data?: { requestId?: string } })?.data?.requestId === requestId,
      );
    for (const request of accepted)
      await expect
        .poll(() => callsOf(request).length, { message: `request ${request.requestId} was called back` })
        .toBeGreaterThan(0);
    const orders = await readOrders(system);
    for (const request of accepted) {
      const { requestId, customer } = request;
      const calls = callsOf(request);
      // Promise C: all attempts have the same id and body, and valid signatures.
      expect(new Set(calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
      expect(new Set(calls.map(({ body }) => body)).size).toBe(1);
      const [first] = calls;
      if (!first) throw new Error('no call');
      const { data, type } = customer.verify(first);
      const order = findOrder(orders, requestId);
      expect({ type, code: data.code }).toEqual({ type: 'voucher.received', code: order?.voucherCode });
      // Promises A and B: there is one row, with the provider's code. The row may be stored after the callback.
      await expect
        .poll(
          async () => (await client.query('select code from voucher.voucher where request_id = $1', [requestId])).rows,
        )
        .toEqual([{ code: order?.voucherCode }]);
    }
  } finally {
    await client.end();
  }
}

/** Limit of a customer's requests without a callback. At the limit, the customer sends no further request. */
const maxOpen = 20;

/** Requests one voucher after the other until stopped. A response with an error does not count as accepted. */
export function keepRequesting(customers: readonly Customer[]) {
  const accepted: Accepted[] = [];
  let isOver = false;
  const countOpen = (customer: Customer) =>
    accepted.filter((request) => request.customer === customer).length - customer.receiver.calls.length;
  const request = async (customer: Customer) => {
    if (countOpen(customer) >= maxOpen) return undefined;
    const input = { callbackUrl: customer.receiver.url, idempotencyKey: randomUUID() };
    const answer = await customer
      .answerOf('mutation ($input: RequestVoucherInput!) { requestVoucher(input: $input) { id } }', { input })
      .catch(() => null);
    return answer?.data?.requestVoucher?.id as string | undefined;
  };
  const requesting = customers.map(async (customer) => {
    while (!isOver) {
      const requestId = await waitFor(async () => isOver || (await request(customer)));
      if (typeof requestId === 'string') accepted.push({ requestId, customer });
    }
  });
  return {
    accepted,
    async stop() {
      isOver = true;
      await Promise.all(requesting);
    },
  };
}
