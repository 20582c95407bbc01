import { afterAll, beforeAll, describe, it } from 'vitest';
import { startCustomer } from '../customer.ts';
import { ledgerEntry } from '../provider-ledger.ts';
import type { StartSystem, System } from '../system.ts';

/** A provider that does not keep its side, on a system that `startSystem` boots. */
export function failuresSuite(startSystem: StartSystem): void {
  // A provider that does not keep its side, with waiting times that a test can wait for.
  let system: System;
  beforeAll(async () => {
    system = await startSystem({
      VPS_TIMEOUT: '3s',
      VPS_RETRY_BASE: '100ms',
      VPS_RETRY_MAX: '500ms',
      VPS_SILENCE_AFTER: '1s',
      GIVE_UP_AFTER: '6s',
    });
  });
  afterAll(() => system[Symbol.asyncDispose]());

  const failures = 'subscription { voucherRequestFailed { requestId reason message owner { username } } }';
  const requestOf =
    'query ($id: ID!) { voucherRequest(id: $id) { status failureReason message voucher { code } deliveries { channel status } } }';

  describe.concurrent('a provider that fails', () => {
    it.for([
      ['refuses', 'refuse', 'PROVIDER_REFUSED'],
      ['answers with errors', 'error', 'PROVIDER_UNAVAILABLE'],
      ['drops the connection', 'drop', 'PROVIDER_UNAVAILABLE'],
      ['acknowledges and falls silent', 'silence', 'PROVIDER_SILENT'],
    ])(
      'ends a request as failed when it %s for good, and says so everywhere',
      async ([_what, fault, reason], { expect }) => {
        await using customer = await startCustomer(system);
        await customer.tellProvider({ fault, times: 1_000 });
        const nextFailure = await customer.subscribe(failures);
        const request = await customer.requestVoucher();
        const [event, callback] = await Promise.all([nextFailure(), customer.nextCallback()]);
        expect(event.voucherRequestFailed).toMatchObject({
          requestId: request.id,
          reason,
          owner: { username: customer.username },
        });
        expect(callback).toMatchObject({ type: 'voucher.failed', data: { requestId: request.id, reason } });
        await expect
          .poll(async () => (await customer.graphql(requestOf, { id: request.id })).voucherRequest)
          .toMatchObject({
            status: 'FAILED',
            failureReason: reason,
            voucher: null,
            deliveries: [{ channel: 'CALLBACK', status: 'DELIVERED' }],
          });
        expect((await customer.graphql('{ purchasedVouchers { nodes { id } } }')).purchasedVouchers.nodes).toEqual([]);
      },
    );

    it.for(['error', 'malformed', 'drop', 'hang'])(
      'gets the code from a provider that recovers from: %s',
      async (fault, { expect }) => {
        await using customer = await startCustomer(system);
        await customer.tellProvider({ fault, times: fault === 'hang' ? 1 : 3 });
        await customer.tellProvider({ delayMs: 100 });
        const request = await customer.requestVoucher();
        expect(await customer.nextCallback()).toMatchObject({
          type: 'voucher.received',
          data: { requestId: request.id, status: 'SUCCESS' },
        });
      },
    );

    it.for(['wrong-verifier', 'plain'])(
      'takes no code that it can not verify, and asks again: %s',
      async (fault, { expect }) => {
        await using customer = await startCustomer(system);
        await customer.tellProvider({ fault, delayMs: 3_200 });
        await customer.tellProvider({ delayMs: 0 });
        const request = await customer.requestVoucher();
        const { data } = await customer.nextCallback();
        expect(data.code).toBe((await ledgerEntry(system, request.id))?.voucherCode);
        expect(customer.receiver.calls).toHaveLength(1);
      },
    );

    it('answers within the same message whatever the provider does', async ({ expect }) => {
      await using customer = await startCustomer(system);
      await customer.tellProvider({ fault: 'hang' });
      expect(await customer.requestVoucher()).toMatchObject({
        status: 'PENDING',
        message: 'Your request is being processed within 30 seconds',
      });
    });
  });
}
