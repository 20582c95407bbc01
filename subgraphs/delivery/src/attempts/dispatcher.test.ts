import { systemClock } from '@voucher-gateway/platform/async/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { describe, expect, it } from 'vitest';
import { delivered } from '../attempt-result.ts';
import type { Send } from '../channels/channels.ts';
import { createAdmission } from '../endpoints/admission.ts';
import { deliveryMigrations } from '../migrations.ts';
import { planDeliveries } from '../plan-deliveries.ts';
import { delivery } from '../tables.ts';
import { testLimits } from '../testing/admission-limits.ts';
import { buildCode, buildRequest } from '../testing/delivery-harness.ts';
import { createDeliveryStore } from './delivery-store.ts';
import { createDispatcher } from './dispatcher.ts';
import { createDeliveryQueues } from './due-deliveries.ts';

interface SetUpOptions {
  concurrency?: number;
  leaseMs?: number;
  /** Called before a result is stored. */
  beforeSettle?(): Promise<void>;
}

async function setUp(send: Send, { concurrency = 1, leaseMs = 60_000, beforeSettle }: SetUpOptions = {}) {
  const resources = new AsyncDisposableStack();
  const engines = resources.use(await openTestEngines({ migrations: [deliveryMigrations] }));
  const { database } = engines;
  const store = createDeliveryStore({ database, schedule: [10], leaseMs });
  const dispatcher = resources.use(
    createDispatcher({
      store: {
        ...store,
        async settle(finished) {
          await beforeSettle?.();
          return store.settle(finished);
        },
      },
      queues: createDeliveryQueues({ database, leaseMs }),
      admission: createAdmission({ limits: testLimits({ concurrency }), log: silentLog }),
      endpoints: { note: async () => {} },
      send,
      database,
      clock: systemClock,
      log: silentLog,
      drainMs: 10,
    }),
  );
  return {
    deliver: () =>
      dispatcher.deliver(
        planDeliveries({ type: 'voucher.received', value: buildCode(buildRequest()) }, 'http://a.invalid'),
      ),
    rows: () => database.query.select().from(delivery).orderBy(delivery.createdAt),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

describe('dispatcher', () => {
  it('dispatcher: leaves attempts beyond its concurrency to their queues', async () => {
    const running: PromiseWithResolvers<void>[] = [];
    let most = 0;
    let now = 0;
    await using ctx = await setUp(async () => {
      now += 1;
      most = Math.max(most, now);
      const one = Promise.withResolvers<void>();
      running.push(one);
      await one.promise;
      now -= 1;
      return delivered(200);
    });
    await ctx.deliver();
    await ctx.deliver();
    expect((await ctx.rows()).map((row) => row.running)).toEqual([true, false]);
    for (const turn of [0, 1]) {
      await expect.poll(() => running[turn]).toBeDefined();
      running[turn]?.resolve();
    }
    await expect.poll(async () => (await ctx.rows()).map((row) => row.status)).toEqual(['DELIVERED', 'DELIVERED']);
    expect(most).toBe(1);
  });

  it('dispatcher: counts no attempt that failed by an error of ours', async () => {
    let attempts = 0;
    await using ctx = await setUp(
      async () => {
        attempts += 1;
        if (attempts === 1) throw new Error('internal');
        return delivered(200);
      },
      { leaseMs: 10 },
    );
    await ctx.deliver();
    await expect.poll(ctx.rows).toMatchObject([{ status: 'DELIVERED', failures: 0, turn: 2 }]);
  });

  // Regression: an SMS whose acceptance could not be stored was sent again, and paid for again.
  it('dispatcher: stores a result after an outage, and sends nothing again', async () => {
    let attempts = 0;
    let outages = 3;
    await using ctx = await setUp(
      async () => {
        attempts += 1;
        return delivered(200);
      },
      {
        leaseMs: 30_000,
        async beforeSettle() {
          outages -= 1;
          if (outages >= 0) throw new CodedError('DATABASE_UNAVAILABLE', 'away', { retryable: true });
        },
      },
    );
    await ctx.deliver();
    await expect.poll(ctx.rows).toMatchObject([{ status: 'DELIVERED', turn: 1 }]);
    expect(attempts).toBe(1);
  });
});
