import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Customer, startCustomer } from '../customer.ts';
import { startFollower } from '../follower.ts';
import { gatewaysOf, requestSomehow, runResume, storedVouchers } from '../resume-run.ts';
import { type DistributedSystem, startDistributed } from './system.ts';

describe('three gateways', { timeout: 300_000 }, () => {
  let system: DistributedSystem;
  beforeAll(async () => {
    system = await startDistributed({ VPS_PROFILE: 'fast', DRAIN_WINDOW: '1s' });
  });
  afterAll(() => system?.[Symbol.asyncDispose]());

  it('give a client each voucher once and in order while each of them is killed', async () => {
    const events = 500;
    const ledger = await runResume(system, { events, reconnects: 50, killEvery: 50 });
    expect(ledger).toMatchObject({
      accepted: events,
      stored: events,
      seen: events,
      missing: 0,
      repeated: 0,
      outOfOrder: 0,
      refusals: [],
    });
    expect(ledger.connections).toBeGreaterThan(25);
    expect(ledger.kills).toBeGreaterThan(0);
  });

  it('lose no request, voucher or response in a rolling restart under load', async () => {
    await using resources = new AsyncDisposableStack();
    const gateways = await gatewaysOf(system, 3);
    let turn = 0;
    const next = () => gateways[turn++ % gateways.length]?.url ?? '';
    const customers: Customer[] = [];
    while (customers.length < 12) customers.push(resources.use(await startCustomer(system)));
    let isOver = false;
    const followed = await Promise.all(
      customers.map(async (customer) => {
        const { id, cursor } = await requestSomehow(customer, next);
        const follower = resources.use(startFollower({ token: customer.token, after: cursor, nextGateway: next }));
        const requests = [id];
        const requesting = (async () => {
          while (!isOver) requests.push((await requestSomehow(customer, next)).id);
        })();
        return { customer, follower, requests, requesting };
      }),
    );
    for (const gateway of gateways) {
      const before = followed.reduce((sum, { requests }) => sum + requests.length, 0);
      await expect
        .poll(() => followed.reduce((sum, { requests }) => sum + requests.length, 0))
        .toBeGreaterThan(before + 50);
      await gateway.kill('SIGTERM');
      expect(gateway.exit).toEqual({ code: 0, signal: null });
      await gateway.start();
    }
    isOver = true;
    for (const { customer, follower, requests, requesting } of followed) {
      await requesting;
      const stored = () => storedVouchers(customer, system.gatewayUrl);
      await expect.poll(async () => (await stored()).length).toBe(requests.length);
      await expect.poll(() => follower.seen).toEqual(await stored());
      expect(follower.refusals).toEqual([]);
    }
    // Every closed socket had code 1001, after which clients reconnect. No connection was lost without a close code.
    const codes = new Set(followed.flatMap(({ follower }) => [...follower.closed.keys()]));
    expect([...codes]).toEqual([1001]);
  });
});
