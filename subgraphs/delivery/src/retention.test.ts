import { createTestClock } from '@voucher-gateway/platform/clock';
import { parkMessage } from '@voucher-gateway/platform/topics/parked-messages';
import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { openRig } from './testing/rig.ts';

const day = 86_400_000;

async function setUp() {
  const clock = createTestClock();
  const rig = await openRig({ clock, environment: { DELIVERY_RETENTION: '60d', OLD_SECRET_RETENTION: '2h' } });
  const { query } = rig.engines.database;
  const at = (days: number) => new Date(clock.now() - days * day).toISOString();
  const read = async (text: string) =>
    (await query.execute<{ name: string }>(sql.raw(text))).rows.map(({ name }) => name);
  return {
    rig,
    clock,
    query,
    /** A delivery with attempts that were made so many days ago. */
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
    /** Begins a turn once the one before has ended. */
    turn: () => clock.advance(600_000),
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

it('retention: deletes deliveries that ended long ago with their attempts, and no others', async () => {
  await using set = await setUp();
  await set.addDelivery('delivered long ago', { status: 'DELIVERED', days: 61, attempts: [61, 60.5] });
  await set.addDelivery('failed long ago', { status: 'FAILED', days: 61, attempts: [61] });
  await set.addDelivery('pending', { status: 'PENDING', days: 400, attempts: [61] });
  await set.addDelivery('sent again by hand', { status: 'DELIVERED', days: 61, attempts: [61, 1] });
  await set.addDelivery('delivered', { status: 'DELIVERED', days: 59, attempts: [59] });
  set.turn();
  await expect.poll(set.deliveries).toEqual(['delivered', 'pending', 'sent again by hand']);
  expect(await set.attempts()).toEqual(['delivered', 'pending', 'sent again by hand', 'sent again by hand']);
  const { rows } = await set.query.execute(sql`select count(*)::int as count from delivery.attempt`);
  expect(rows).toEqual([{ count: 4 }]);
});

it('retention: keeps the callback URL of a request while an outcome is parked', async () => {
  await using set = await setUp();
  await set.addTarget('old', 61);
  await set.addTarget('new', 59);
  // Of a topic that nobody retries here.
  const parked = { topic: 'outcomes', group: 'delivery', key: 'k', value: '{}', headers: {} };
  await parkMessage(set.query, { ...parked, partition: 0, position: 1, publishedAt: 0, error: new Error('broken') });
  // The second turn begins once the first has ended.
  for (const name of ['first turn', 'second turn']) {
    await set.addDelivery(name, { status: 'DELIVERED', days: 61, attempts: [] });
    await expect
      .poll(() => {
        set.turn();
        return set.deliveries();
      })
      .toEqual([]);
  }
  expect(await set.targets()).toEqual(['new', 'old']);
  await set.query.execute(sql`delete from platform.parked_message`);
  await expect
    .poll(() => {
      set.turn();
      return set.targets();
    })
    .toEqual(['new']);
});

it('retention: deletes a replaced secret once it has ceased to sign', async () => {
  await using set = await setUp();
  const { userId } = await set.rig.request();
  const first = await set.rig.secret(userId);
  await set.rig.post('mutation { rotateCallbackSecret }', {}, userId);
  const secrets = async () =>
    (await set.query.execute(sql`select secret from delivery.callback_secret`)).rows.map(({ secret }) => secret);
  expect(await secrets()).toHaveLength(2);
  set.clock.advance(7_200_000);
  await expect
    .poll(() => {
      set.turn();
      return secrets();
    })
    .toHaveLength(1);
  expect(await secrets()).not.toContain(first);
});
