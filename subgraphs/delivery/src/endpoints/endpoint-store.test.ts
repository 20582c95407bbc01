import { randomUUID } from 'node:crypto';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { describe, expect, it } from 'vitest';
import { delivered, failed } from '../attempt-result.ts';
import { createDeliveryLoaders } from '../graphql/loaders.ts';
import { deliveryMigrations } from '../migrations.ts';
import { delivery } from '../tables.ts';
import { buildRequest } from '../testing/delivery-harness.ts';
import { endpointOf } from './endpoint.ts';
import { createEndpointStore } from './endpoint-store.ts';

const day = 86_400_000;
const failure = failed('HTTP_ERROR', { status: 500 });

async function setUp(disableAfterMs = 5 * day) {
  const clock = createTestClock();
  const engines = await openTestEngines({ clock, migrations: [deliveryMigrations] });
  const open = () => createEndpointStore({ database: engines.database, log: silentLog, disableAfterMs });
  const { userId } = buildRequest();
  return {
    clock,
    database: engines.database,
    userId,
    open,
    store: open(),
    notices: () => engines.database.query.select().from(delivery).orderBy(delivery.url),
    [Symbol.asyncDispose]: () => engines[Symbol.asyncDispose](),
  };
}

describe('endpoint store', () => {
  it('endpoint: is disabled by the first failure after five days of failures', async () => {
    await using ctx = await setUp();
    const to = { userId: ctx.userId, url: 'https://shop.example/hook?id=1' };
    await ctx.store.note(to, failure);
    const [row] = await ctx.store.readOwn(ctx.userId);
    expect(row).toMatchObject({ origin: 'https://shop.example', url: to.url, disabledAt: null, lastSuccessAt: null });
    expect(row?.failingSince).toEqual(new Date(ctx.clock.now()));
    ctx.clock.advance(5 * day - 60_000);
    await ctx.store.note(to, failure);
    expect(await ctx.store.readOwn(ctx.userId)).toMatchObject([{ failingSince: row?.failingSince, disabledAt: null }]);
    ctx.clock.advance(120_000);
    await ctx.store.note(to, failure);
    expect(await ctx.store.readOwn(ctx.userId)).toMatchObject([{ disabledAt: new Date(ctx.clock.now()) }]);
  });

  // Regression: if an attempt succeeded after its endpoint had been disabled, the endpoint lost its `failingSince`.
  it('endpoint: stays disabled after a success of an attempt that was in progress', async () => {
    await using ctx = await setUp();
    const to = { userId: ctx.userId, url: 'https://shop.example/hook' };
    await ctx.store.note(to, failure);
    ctx.clock.advance(5 * day);
    await ctx.store.note(to, failure);
    const [disabled] = await ctx.store.readOwn(ctx.userId);
    await ctx.open().note(to, delivered(200));
    expect(await ctx.store.readOwn(ctx.userId)).toMatchObject([
      { disabledAt: disabled?.disabledAt, failingSince: disabled?.failingSince, lastSuccessAt: expect.any(Date) },
    ]);
  });

  it('endpoint: has one state after two processes disable and enable it at once', async () => {
    await using ctx = await setUp();
    const to = { userId: ctx.userId, url: 'https://shop.example/hook' };
    const { id } = endpointOf(to);
    await ctx.store.note(to, failure);
    for (let turn = 0; turn < 10; turn += 1) {
      ctx.clock.advance(6 * day);
      const [one, other] = [ctx.open(), ctx.open()];
      await Promise.all([one.note(to, failure), other.enable(id), other.note(to, failure)]);
      const [row] = await ctx.store.readOwn(ctx.userId);
      // If the endpoint was enabled last, `failingSince` is recent. If it was disabled last, `failingSince` is days
      // ago.
      const sinceMs = ctx.clock.now() - (row?.failingSince?.getTime() ?? ctx.clock.now());
      expect(sinceMs >= 5 * day).toBe(row?.disabledAt !== null);
    }
  });

  it('endpoint: has not been failing before a success, also of another process', async () => {
    await using ctx = await setUp();
    const other = ctx.open();
    const to = { userId: ctx.userId, url: 'https://shop.example/hook' };
    await ctx.store.note(to, failure);
    ctx.clock.advance(4 * day);
    await other.note(to, delivered(200));
    expect(await ctx.store.readOwn(ctx.userId)).toMatchObject([
      { failingSince: null, lastFailureAt: expect.any(Date) },
    ]);
    ctx.clock.advance(4 * day);
    await ctx.store.note(to, failure);
    expect(await ctx.store.readOwn(ctx.userId)).toMatchObject([
      { failingSince: new Date(ctx.clock.now()), disabledAt: null },
    ]);
  });

  it('endpoint: is never disabled if that is off', async () => {
    await using ctx = await setUp(Number.POSITIVE_INFINITY);
    const to = { userId: ctx.userId, url: 'https://shop.example/hook' };
    await ctx.store.note(to, failure);
    ctx.clock.advance(100 * day);
    await ctx.store.note(to, failure);
    expect(await ctx.store.readOwn(ctx.userId)).toMatchObject([{ failingSince: expect.any(Date), disabledAt: null }]);
  });

  it('endpoint: is told to the last used ones of its owner that work, up to ten', async () => {
    await using ctx = await setUp();
    const note = (url: string, result = delivered(200), userId = ctx.userId) =>
      ctx.store.note({ userId, url: `https://${url}` }, result as never);
    for (let number = 10; number < 22; number += 1) {
      await note(`working-${number}.example/hook`);
      ctx.clock.advance(1_000);
    }
    await note('other.example/failing', failure as never);
    await note('disabled.example/hook', failure as never);
    await note('stranger.example/hook', delivered(200), buildRequest().userId);
    ctx.clock.advance(5 * day);
    await note('disabled.example/hook', failure as never);
    const notices = await ctx.notices();
    expect(notices.map(({ url }) => url)).toEqual(
      Array.from({ length: 10 }, (_, index) => `https://working-${12 + index}.example/hook`),
    );
    const [disabled] = await ctx.store.readOwn(ctx.userId);
    expect(disabled).toMatchObject({ origin: 'https://disabled.example', disabledAt: expect.any(Date) });
    expect(JSON.parse(notices[0]?.body ?? '')).toEqual({
      type: 'endpoint.disabled',
      timestamp: disabled?.disabledAt?.toISOString(),
      data: {
        origin: 'https://disabled.example',
        failingSince: disabled?.failingSince?.toISOString(),
        disabledAt: disabled?.disabledAt?.toISOString(),
      },
    });
    const loaders = createDeliveryLoaders(ctx.database, ctx.userId);
    const [own, none] = await loaders.notices.loadMany([disabled?.id ?? '', randomUUID()]);
    expect([own, none]).toMatchObject([{ length: 10 }, { length: 0 }]);
  });

  it('endpoint: stores few of many equal results', async () => {
    await using ctx = await setUp();
    const to = { userId: ctx.userId, url: 'https://shop.example/hook' };
    await ctx.store.note(to, delivered(200));
    const first = new Date(ctx.clock.now());
    ctx.clock.advance(59_999);
    await ctx.store.note(to, delivered(200));
    expect(await ctx.store.readOwn(ctx.userId)).toMatchObject([{ usedAt: first }]);
    ctx.clock.advance(1);
    await ctx.store.note(to, delivered(200));
    expect(await ctx.store.readOwn(ctx.userId)).toMatchObject([{ usedAt: new Date(ctx.clock.now()) }]);
    // A failure right after a success is not stored, but a later failure is.
    await ctx.store.note(to, failure);
    expect(await ctx.store.readOwn(ctx.userId)).toMatchObject([{ failingSince: null }]);
    ctx.clock.advance(1_000);
    await ctx.store.note(to, failure);
    expect(await ctx.store.readOwn(ctx.userId)).toMatchObject([{ failingSince: new Date(ctx.clock.now()) }]);
    await ctx.store.note(to, delivered(200));
    expect(await ctx.store.readOwn(ctx.userId)).toMatchObject([{ failingSince: null }]);
  });
});
