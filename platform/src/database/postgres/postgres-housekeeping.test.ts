import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { createTestClock } from '../../async/clock.ts';
import { createMemoryLog } from '../../testing/log.ts';
import { openRealDatabase } from '../../testing/real-engines.ts';
import { deleteFrom, startHousekeeping } from '../housekeeping.ts';
import { keyValueEntry } from '../tables.ts';

const keepMs = 3_600_000;

async function setUp() {
  const database = await openRealDatabase();
  await database.query.execute(sql`
    insert into platform.key_value select n, '', now() - interval '2 hours' - n * interval '1 second' from generate_series(1, 1200) as n`);
  const start = async () => {
    const clock = createTestClock();
    const log = createMemoryLog();
    const retention = { name: 'entries', keepMs, deleteSome: deleteFrom(keyValueEntry, keyValueEntry.expiresAt) };
    const housekeeping = startHousekeeping({ database: await database.another(), clock, log, retentions: [retention] });
    return {
      log,
      async turn() {
        clock.advance(600_000);
        await clock.whenPending(1);
      },
      [Symbol.asyncDispose]: () => housekeeping[Symbol.asyncDispose](),
    };
  };
  return {
    database,
    start,
    left: () => database.query.$count(keyValueEntry),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

it('housekeeping: concurrent processes delete each row once, and skip locked ones', async () => {
  await using set = await setUp();
  await using one = await set.start();
  await using other = await set.start();
  await set.database.transaction(async (tx) => {
    await tx.execute(sql`select from platform.key_value order by expires_at limit 100 for update`);
    await Promise.all([one.turn(), other.turn()]);
    expect(await tx.$count(keyValueEntry)).toBeGreaterThanOrEqual(100);
  });
  const counts = [...`${one.log.text}${other.log.text}`.matchAll(/"count":(\d+)/g)].map(([, count]) => Number(count));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1_200 - (await set.left()));
  await one.turn();
  expect(await set.left()).toBe(0);
});

it('housekeeping: a read-only database is logged once per run, and is retried', async () => {
  await using set = await setUp();
  const name = new URL(set.database.url).pathname.slice(1);
  await set.database.query.execute(sql.raw(`alter database ${name} set default_transaction_read_only = on`));
  await using one = await set.start();
  await one.turn();
  expect(one.log.text.match(/could not be deleted/g)).toHaveLength(1);
  expect(await set.left()).toBe(1_200);
  await set.database.query.execute(sql.raw(`alter database ${name} reset default_transaction_read_only`));
  await set.database.query.execute(sql`
    select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name} and pid <> pg_backend_pid()`);
  await expect
    .poll(async () => {
      await one.turn();
      return set.left();
    })
    .toBe(0);
});
