import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { indexScans } from '@voucher-gateway/platform/testing/index-scans';
import { expect, it } from 'vitest';
import { failed } from '../attempt-result.ts';
import { smsEndpointId } from '../endpoints/endpoint.ts';
import { deliveryMigrations } from '../migrations.ts';
import { planDeliveries } from '../plan-deliveries.ts';
import { buildCode, buildRequest } from '../testing/delivery-harness.ts';
import { createDeliveryStore } from './delivery-store.ts';
import { createDeliveryQueues } from './due-deliveries.ts';

async function setUp(options: { pageSize?: number; maxCount?: number } = {}) {
  const engines = await openTestEngines({ migrations: [deliveryMigrations] });
  const { database } = engines;
  const store = createDeliveryStore({ database, schedule: [60_000], leaseMs: 60_000 });
  return {
    database,
    queues: createDeliveryQueues({ database, leaseMs: 60_000, ...options }),
    /** Stores deliveries to one endpoint that are due, in progress, or wait for a retry. Returns the endpoint's id. */
    async add(count: number, { begin = false, isLater = false, url = 'http://127.0.0.1:9/' as string | null } = {}) {
      const { userId } = buildRequest();
      const status = url === null ? 'LATE_SUCCESS' : 'SUCCESS';
      const planned = Array.from({ length: count }, () =>
        planDeliveries({ type: 'voucher.received', value: buildCode(buildRequest({ userId }), { status }) }, url),
      ).flat();
      const stored = await store.record(planned.map((plan) => ({ ...plan, begin: begin || isLater })));
      // After this failed attempt the deliveries wait for their retry.
      const finished = { turn: 1, at: 0, durationMs: 1, result: failed('TIMEOUT') };
      if (isLater) for (const { id } of stored) await store.settle({ deliveryId: id, ...finished });
      return stored[0]?.endpointId ?? '';
    },
    [Symbol.asyncDispose]: () => engines[Symbol.asyncDispose](),
  };
}

it('due deliveries: are counted per endpoint, up to a limit', async () => {
  await using ctx = await setUp({ maxCount: 3 });
  const few = await ctx.add(2);
  const many = await ctx.add(5);
  await ctx.add(1, { begin: true });
  const sms = await ctx.add(1, { url: null });
  expect(sms).toBe(smsEndpointId);
  const { due, last } = await ctx.queues.readDue(null);
  expect(new Map(due.map(({ endpointId, count }) => [endpointId, count]))).toEqual(
    new Map([
      [few, 2],
      [many, 3],
      [sms, 1],
    ]),
  );
  expect(last).toBeNull();
});

it('due deliveries: are read in pages of endpoints, also of those without any', async () => {
  await using ctx = await setUp({ pageSize: 2 });
  const endpoints = [await ctx.add(1), await ctx.add(1), await ctx.add(1), await ctx.add(1, { isLater: true })].sort();
  const first = await ctx.queues.readDue(null);
  expect(first.last).toBe(endpoints[1]);
  const second = await ctx.queues.readDue(first.last);
  expect(second.last).toBe(endpoints[3]);
  expect(await ctx.queues.readDue(second.last)).toEqual({ due: [], disabled: [], last: null });
  expect([...first.due, ...second.due]).toHaveLength(3);
});

it('due deliveries: start with the longest due, up to a number per endpoint', async () => {
  await using ctx = await setUp();
  const [one, other] = [await ctx.add(5), await ctx.add(5)];
  const begun = await ctx.queues.begin(
    new Map([
      [one, 2],
      [other, 1],
    ]),
  );
  expect(begun.map(({ endpointId }) => endpointId).sort()).toEqual([one, one, other].sort());
});

// Regression: during a long transaction, each read of a queue had to skip the index entries of all started attempts.
it('due deliveries: are found by indexes without attempts in progress', async () => {
  await using ctx = await setUp();
  await ctx.add(50, { begin: true });
  await ctx.add(50);
  const scans = await indexScans(ctx.database, 'delivery', async () => {
    const { due } = await ctx.queues.readDue(null);
    await ctx.queues.begin(new Map(due.map(({ endpointId }) => [endpointId, 10])));
    await ctx.queues.releaseExpired();
  });
  expect(scans).toEqual(expect.arrayContaining(['delivery_waiting', 'delivery_leases']));
});
