import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { parkMessage } from '@voucher-gateway/platform/topics/parked-messages';
import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { openDeliveryHarness } from './testing/delivery-harness.ts';

const day = 86_400_000;

async function setUp() {
  const clock = createTestClock();
  const harness = await openDeliveryHarness({
    clock,
    environment: { DELIVERY_RETENTION: '60d', OLD_SECRET_RETENTION: '2h' },
  });
  const { query } = harness.engines.database;
  const at = (days: number) => new Date(clock.now() - days * day).toISOString();
  const read = async (text: string) =>
    (await query.execute<{ name: string }>(sql.raw(text))).rows.map(({ name }) => name);
  return {
    harness,
    clock,
    query,
    /** Adds a delivery that was created `days` days ago. `attempts` lists how many days ago each of its attempts was made. */
    async addDelivery(name: string, { status, days, attempts }: { status: string; days: number; attempts: number[] }) {
      const { rows } = await query.execute<{ id: string }>(sql`
        insert into delivery.delivery
          (id, request_id, user_id, channel, body, status, created_at, turn, running, failures, round)
        values (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'CALLBACK', ${name}, ${status}, ${at(days)}, 2, false, 1, 0)
        returning id`);
      for (const [turn, daysAgo] of attempts.entries())
        await query.execute(sql`
          insert into delivery.attempt values (${rows[0]?.id}, ${turn}, ${at(daysAgo)}, 200, 10, null)`);
    },
    async addTarget(name: string, days: number) {
      await query.execute(
        sql`insert into delivery.request_target values (gen_random_uuid(), gen_random_uuid(), ${name}, ${at(days)})`,
      );
    },
    deliveries: () => read('select body as name from delivery.delivery order by 1'),
    attempts: () =>
      read('select body as name from delivery.attempt join delivery.delivery on id = delivery_id order by 1'),
    targets: () => read('select callback_url as name from delivery.request_target order by 1'),
    /** Starts a run of the housekeeping, if the previous one has ended. */
    run: () => clock.advance(600_000),
    [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
  };
}

describe('retention', () => {
  it('retention: deletes old ended deliveries with their attempts, and no others', async () => {
    await using ctx = await setUp();
    await ctx.addDelivery('delivered long ago', { status: 'DELIVERED', days: 61, attempts: [61, 60.5] });
    await ctx.addDelivery('failed long ago', { status: 'FAILED', days: 61, attempts: [61] });
    await ctx.addDelivery('simulated long ago', { status: 'SIMULATED', days: 61, attempts: [61] });
    await ctx.addDelivery('pending', { status: 'PENDING', days: 400, attempts: [61] });
    await ctx.addDelivery('redelivered', { status: 'DELIVERED', days: 61, attempts: [61, 1] });
    await ctx.addDelivery('delivered', { status: 'DELIVERED', days: 59, attempts: [59] });
    ctx.run();
    await expect.poll(ctx.deliveries).toEqual(['delivered', 'pending', 'redelivered']);
    expect(await ctx.attempts()).toEqual(['delivered', 'pending', 'redelivered', 'redelivered']);
    const { rows } = await ctx.query.execute(sql`select count(*)::int as count from delivery.attempt`);
    expect(rows).toEqual([{ count: 4 }]);
  });

  it('retention: keeps the callback URL of a request while an outcome is parked', async () => {
    await using ctx = await setUp();
    await ctx.addTarget('old', 61);
    await ctx.addTarget('new', 59);
    // No consumer of this test reads the topic `outcomes`. So the message stays parked.
    const parked = { topic: 'outcomes', group: 'delivery', key: 'k', value: '{}', headers: {} };
    await parkMessage(ctx.query, { ...parked, partition: 0, position: 1, publishedAt: 0, error: new Error('broken') });
    // A run starts only after the previous run has ended. So when the second run deletes rows, the first has handled
    // all tables.
    for (const name of ['first run', 'second run']) {
      await ctx.addDelivery(name, { status: 'DELIVERED', days: 61, attempts: [] });
      await expect
        .poll(() => {
          ctx.run();
          return ctx.deliveries();
        })
        .toEqual([]);
    }
    expect(await ctx.targets()).toEqual(['new', 'old']);
    await ctx.query.execute(sql`delete from platform.parked_message`);
    await expect
      .poll(() => {
        ctx.run();
        return ctx.targets();
      })
      .toEqual(['new']);
  });

  it('retention: deletes a replaced secret once it no longer signs', async () => {
    await using ctx = await setUp();
    const { userId } = await ctx.harness.request();
    const first = await ctx.harness.secret(userId);
    await ctx.harness.post('mutation { rotateCallbackSecret }', {}, userId);
    const secrets = async () =>
      (await ctx.query.execute(sql`select secret from delivery.callback_secret`)).rows.map(({ secret }) => secret);
    expect(await secrets()).toHaveLength(2);
    ctx.clock.advance(7_200_000);
    await expect
      .poll(() => {
        ctx.run();
        return secrets();
      })
      .toHaveLength(1);
    expect(await secrets()).not.toContain(first);
  });
});
