import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Customer, startCustomer } from '../customer.ts';
import { ledgerEntry } from '../provider-ledger.ts';
import type { Install, Installation, RunningSystem } from '../system.ts';

/** Tests in which all processes of an installation restart after a voucher request and before its code arrives. */
export function restartSuite(install: Install): void {
  const resources = new AsyncDisposableStack();
  let installation: Installation;
  // The system stays running between the tests, because a start is slow.
  let system: RunningSystem;
  beforeAll(async () => {
    // After a restart, the simulated provider has lost the instructions of the tests, and uses its profile. With the
    // profile `fast`, its codes arrive soon.
    installation = resources.use(await install({ VPS_PROFILE: 'fast' }));
    system = await installation.start();
    resources.defer(() => system[Symbol.asyncDispose]());
  }, 240_000);
  afterAll(() => resources.disposeAsync());

  const restart = async (signal: NodeJS.Signals) => {
    await system.stop(signal);
    system = await installation.start();
  };

  /**
   * Reads the stored vouchers. Tests poll this, because a voucher may be stored after its callback and event have
   * arrived.
   */
  const storedBy = async (customer: Customer) =>
    (await customer.graphql('{ purchasedVouchers { nodes { id requestId code } } }')).purchasedVouchers.nodes;

  it.each([
    ['stopped', 'SIGTERM'],
    ['killed', 'SIGKILL'],
  ] as const)(
    'restart: delivers a code once if everything is %s before it and restarted',
    async (_what, signal) => {
      await using customer = await startCustomer(system);
      await customer.instructProvider({ delayMs: 4_000 });
      const request = await customer.requestVoucher();
      await restart(signal);

      const callback = await customer.nextCallback();
      const order = await ledgerEntry(system, request.id);
      expect(callback.data).toMatchObject({ requestId: request.id, code: order?.voucherCode });
      // The customer reads the voucher with the session from before the restart. So the session has survived the
      // restart.
      await expect
        .poll(() => storedBy(customer))
        .toEqual([{ id: callback.data.voucherId, requestId: request.id, code: order?.voucherCode }]);
    },
    240_000,
  );

  it('restart: keeps purchased vouchers, and a feed resumes where it was', async () => {
    await using customer = await startCustomer(system);
    await customer.requestVoucher();
    const first = await customer.nextCallback();
    const feed = 'subscription ($after: String) { voucherReceived(after: $after) { cursor node { code } } }';
    const { voucherReceived } = await (await customer.subscribe(feed, { after: 'djE6' }))();
    expect(voucherReceived.node.code).toBe(first.data.code);
    await restart('SIGKILL');

    const next = await customer.subscribe(feed, { after: voucherReceived.cursor });
    await customer.requestVoucher();
    const second = await customer.nextCallback();
    expect((await next()).voucherReceived.node.code).toBe(second.data.code);
    await expect.poll(() => storedBy(customer)).toMatchObject([{ code: first.data.code }, { code: second.data.code }]);
  }, 240_000);
}
