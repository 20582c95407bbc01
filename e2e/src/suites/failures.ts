import { afterAll, beforeAll, describe, it } from 'vitest';
import { startCustomer } from '../customer.ts';
import { ledgerEntry } from '../provider-ledger.ts';
import type { StartSystem, System } from '../system.ts';

/** Shortened time-outs, for tests. */
const settings = {
  VPS_TIMEOUT: '3s',
  VPS_RETRY_BASE: '100ms',
  VPS_RETRY_MAX: '500ms',
  VPS_SILENCE_AFTER: '1s',
};

/** Tests with a failing provider, on systems of `startSystem`. */
export function failuresSuite(startSystem: StartSystem): void {
  const failures = 'subscription { voucherRequestFailed { requestId reason message owner { username } } }';
  const requestOf =
    'query ($id: ID!) { voucherRequest(id: $id) { status failureReason message voucher { code } deliveries { channel status } } }';

  describe.concurrent('provider that never recovers', () => {
    let system: System;
    beforeAll(async () => {
      system = await startSystem({ ...settings, GIVE_UP_AFTER: '6s' });
    });
    afterAll(() => system[Symbol.asyncDispose]());

    it.for([
      ['refuses', 'refuse', 'PROVIDER_REFUSED'],
      ['answers with errors', 'error', 'PROVIDER_UNAVAILABLE'],
      ['drops the connection', 'drop', 'PROVIDER_UNAVAILABLE'],
      ['acknowledges and falls silent', 'silence', 'PROVIDER_SILENT'],
    ])('fails a request when it %s; every channel reports it', async ([_what, fault, reason], { expect }) => {
      await using customer = await startCustomer(system);
      await customer.instructProvider({ fault, times: 1_000 });
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
    });
  });

  describe.concurrent('failing provider', () => {
    let system: System;
    beforeAll(async () => {
      system = await startSystem(settings);
    });
    afterAll(() => system[Symbol.asyncDispose]());

    it.for(['error', 'malformed', 'drop', 'hang'])(
      'still delivers the code when it recovers from: %s',
      async (fault, { expect }) => {
        await using customer = await startCustomer(system);
        await customer.instructProvider({ fault, times: fault === 'hang' ? 1 : 3 });
        await customer.instructProvider({ delayMs: 100 });
        const request = await customer.requestVoucher();
        expect(await customer.nextCallback()).toMatchObject({
          type: 'voucher.received',
          data: { requestId: request.id, status: 'SUCCESS' },
        });
      },
    );

    it.for(['wrong-verifier', 'plain'])(
      'is asked again for a code that can not be verified: %s',
      async (fault, { expect }) => {
        await using customer = await startCustomer(system);
        await customer.instructProvider({ fault, delayMs: 3_200 });
        await customer.instructProvider({ delayMs: 0 });
        const request = await customer.requestVoucher();
        const { data } = await customer.nextCallback();
        expect(data.code).toBe((await ledgerEntry(system, request.id))?.voucherCode);
        expect(customer.receiver.calls).toHaveLength(1);
      },
    );

    it('does not affect the response to a request', async ({ expect }) => {
      await using customer = await startCustomer(system);
      await customer.instructProvider({ fault: 'hang' });
      expect(await customer.requestVoucher()).toMatchObject({
        status: 'PENDING',
        message: 'Your request is being processed within 30 seconds',
      });
    });
  });
}
