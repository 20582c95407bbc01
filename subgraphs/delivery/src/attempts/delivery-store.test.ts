import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { eq } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { delivered, failed } from '../attempt-result.ts';
import { createDeliveryLoaders } from '../graphql/loaders.ts';
import { deliveryMigrations } from '../migrations.ts';
import { planDeliveries } from '../plan-deliveries.ts';
import { attempt, delivery } from '../tables.ts';
import { buildCode, buildRequest } from '../testing/delivery-harness.ts';
import { createDeliveryStore } from './delivery-store.ts';
import { createDeliveryQueues } from './due-deliveries.ts';

async function setUp({ leaseMs = 60_000 } = {}) {
  const engines = await openTestEngines({ migrations: [deliveryMigrations] });
  const { database } = engines;
  const store = createDeliveryStore({ database, schedule: [60_000], leaseMs });
  const record = async (begin: boolean) => {
    const planned = planDeliveries(
      { type: 'voucher.received', value: buildCode(buildRequest()) },
      'http://127.0.0.1:9/',
    );
    const [stored] = await store.record(planned.map((plan) => ({ ...plan, begin })));
    if (!stored) throw new Error('nothing was stored');
    return stored;
  };
  return {
    database,
    store,
    read: async (id: string) => (await database.query.select().from(delivery).where(eq(delivery.id, id)))[0],
    readAttempts: () => database.query.select().from(attempt).orderBy(attempt.turn),
    queues: createDeliveryQueues({ database, leaseMs }),
    record,
    [Symbol.asyncDispose]: () => engines[Symbol.asyncDispose](),
  };
}

const finished = { at: Date.now(), durationMs: 1 };
const failure = failed('HTTP_ERROR', { status: 500 });

describe('delivery store', () => {
  it('delivery store: starts a due delivery once, in one of several processes', async () => {
    await using ctx = await setUp();
    const { id, endpointId } = await ctx.record(false);
    const counts = new Map([[endpointId, 10]]);
    const begun = await Promise.all([1, 2, 3].map(() => ctx.queues.begin(counts)));
    expect(begun.flat()).toMatchObject([{ id, turn: 1, running: true }]);
    expect((await ctx.queues.readDue(null)).due).toEqual([]);
  });

  it('delivery store: ignores the failure of an attempt whose lease has expired', async () => {
    await using ctx = await setUp({ leaseMs: 0 });
    const { id: deliveryId, endpointId } = await ctx.record(true);
    // The lease has expired, and another process starts an attempt.
    await ctx.queues.releaseExpired();
    expect(await ctx.queues.begin(new Map([[endpointId, 1]]))).toMatchObject([{ id: deliveryId, turn: 2 }]);
    const late = await ctx.store.settle({ deliveryId, ...finished, turn: 1, result: failure });
    expect(late).toMatchObject({ status: 'PENDING', running: true, turn: 2, failures: 0 });
    expect(await ctx.store.settle({ deliveryId, ...finished, turn: 2, result: delivered(200) })).toMatchObject({
      status: 'DELIVERED',
      nextAttemptAt: null,
    });
  });

  // Regression: the receiver had accepted the delivery, but the delivery stayed FAILED.
  it('delivery store: a late success counts although its endpoint is disabled', async () => {
    await using ctx = await setUp({ leaseMs: 0 });
    const { id: deliveryId, endpointId } = await ctx.record(true);
    expect(await ctx.queues.fail([endpointId])).toBe(0);
    await ctx.queues.releaseExpired();
    expect(await ctx.queues.fail([endpointId])).toBe(1);
    const late = await ctx.store.settle({ deliveryId, ...finished, turn: 1, result: delivered(200) });
    expect(late).toMatchObject({ status: 'DELIVERED' });
    expect(await ctx.read(deliveryId)).toMatchObject({ status: 'DELIVERED', error: null });
  });

  it('delivery store: keeps the last 100 attempts of a delivery', async () => {
    await using ctx = await setUp();
    const { id: deliveryId, endpointId, userId } = await ctx.record(true);
    for (let turn = 1; turn <= 103; turn += 1) {
      await ctx.store.settle({ deliveryId, ...finished, turn, result: delivered(200, `response ${turn}`) });
      await ctx.store.redeliver(deliveryId, userId);
      await ctx.queues.begin(new Map([[endpointId, 1]]));
    }
    const turns = Array.from({ length: 100 }, (_, index) => index + 4);
    expect((await ctx.readAttempts()).map(({ turn }) => turn)).toEqual(turns);
    await ctx.store.settle({ deliveryId, ...finished, turn: 104, result: delivered(200) });
    const seen = await createDeliveryLoaders(ctx.database, userId).attempts.load({ deliveryId, count: 100 });
    expect(seen.map(({ turn }) => turn)).toEqual(turns.map((turn) => turn + 1));
  });

  it('delivery store: makes a failed attempt due by the schedule, and not before', async () => {
    await using ctx = await setUp();
    const { id: deliveryId, endpointId } = await ctx.record(true);
    expect(await ctx.store.settle({ deliveryId, ...finished, turn: 1, result: failure })).toMatchObject({
      status: 'PENDING',
      running: false,
      failures: 1,
    });
    expect(await ctx.queues.begin(new Map([[endpointId, 1]]))).toEqual([]);
  });
});
