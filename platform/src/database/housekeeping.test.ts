import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { createTestClock } from '../async/clock.ts';
import type { Queryable } from '../database.ts';
import { openTestDatabase } from '../testing/database.ts';
import { createMemoryLog } from '../testing/log.ts';
import { deleteFrom, type Retention, startHousekeeping } from './housekeeping.ts';
import { platformMigrations } from './migrations.ts';
import { keyValueEntry } from './tables.ts';

const everyMs = 60_000;
const keepMs = 3_600_000;

async function setUp(retentions: (deleteEntries: Retention['deleteSome']) => Retention[]) {
  await using releases = new AsyncDisposableStack();
  const clock = createTestClock();
  const log = createMemoryLog();
  const database = releases.use(await openTestDatabase({ migrations: [platformMigrations], clock }));
  const housekeeping = releases.use(
    startHousekeeping({
      database,
      clock,
      log,
      everyMs,
      pauseMs: 1,
      retentions: retentions(deleteFrom(keyValueEntry, keyValueEntry.expiresAt)),
    }),
  );
  const owned = releases.move();
  return {
    clock,
    log,
    housekeeping,
    async add(count: number, ageMs: number) {
      await database.query.execute(sql`
        insert into platform.key_value select gen_random_uuid(), '', ${new Date(clock.now() - ageMs).toISOString()}
        from generate_series(1, ${count}::int)`);
    },
    async count() {
      return database.query.$count(keyValueEntry);
    },
    /** Starts a run, and resolves when it has ended. */
    async turn() {
      clock.advance(everyMs);
      await clock.whenPending(1);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

it('housekeeping: deletes exactly what is too old, in small batches', async () => {
  const batches: number[] = [];
  await using set = await setUp((deleteEntries) => [
    {
      name: 'entries',
      keepMs,
      async deleteSome(query: Queryable, options) {
        const count = await deleteEntries(query, options);
        batches.push(count);
        return count;
      },
    },
  ]);
  await set.add(1_200, keepMs + 1);
  await set.add(30, keepMs - everyMs);
  await set.turn();
  expect(batches).toEqual([500, 500, 200]);
  expect(await set.count()).toBe(30);
  expect(set.log.text).toContain('"count":1200');
});

it('housekeeping: a failure is logged once per run and retried; others continue', async () => {
  let isReadOnly = true;
  await using set = await setUp((deleteEntries) => [
    {
      name: 'broken',
      keepMs,
      async deleteSome() {
        if (isReadOnly) throw new Error('cannot execute DELETE in a read-only transaction');
        return 0;
      },
    },
    { name: 'entries', keepMs, deleteSome: deleteEntries },
  ]);
  await set.add(1_000, keepMs + 1);
  await set.turn();
  expect(await set.count()).toBe(0);
  await set.turn();
  const failures = () => set.log.text.match(/could not be deleted/g)?.length;
  expect(failures()).toBe(2);
  isReadOnly = false;
  await set.turn();
  expect(failures()).toBe(2);
});

it('housekeeping: a stop ends it after the current batch', async () => {
  const deleting = Promise.withResolvers<void>();
  let batches = 0;
  await using set = await setUp(() => [
    {
      name: 'endless',
      keepMs,
      async deleteSome(_query, { limit }) {
        batches += 1;
        await deleting.promise;
        return limit;
      },
    },
  ]);
  set.clock.advance(everyMs);
  const stopped = set.housekeeping[Symbol.asyncDispose]();
  deleting.resolve();
  await stopped;
  expect(batches).toBe(1);
});
