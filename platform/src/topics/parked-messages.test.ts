import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { parkedMessage } from '../database/tables.ts';
import { openTestDatabase } from '../testing/database.ts';
import { claimDue, isKeyParked, parkMessage, postpone, removeParked } from './parked-messages.ts';

const ofGroup = { topic: 'steps', group: 'readers' };
const error = new Error('Failed query', { cause: Object.assign(new Error('permission denied'), { code: '42501' }) });
const entry = (key: string, position: number) => ({
  ...ofGroup,
  key,
  value: '{}',
  headers: {},
  partition: 0,
  position,
  publishedAt: 1_700_000_000_000,
  error,
});
const claim = { ...ofGroup, limit: 10, leaseMs: 60_000 };

describe('parked messages', () => {
  it('are stored once, also by two members after a rebalance, with the first cause', async () => {
    await using database = await openTestDatabase();
    await Promise.all([1, 2].map(() => parkMessage(database.query, entry('a', 1))));
    expect(await database.query.select().from(parkedMessage)).toMatchObject([
      { errorCode: '42501', errorMessage: 'permission denied', attempts: 0 },
    ]);
  });

  it('are read as they were stored, whatever their content', async () => {
    await using database = await openTestDatabase();
    const odd = {
      ...entry('\0\ud800'.repeat(10_000), 2 ** 40),
      value: 'x\0',
      headers: { '\0': '\udfff' },
      publishedAt: -1,
    };
    await parkMessage(database.query, odd);
    expect(await isKeyParked(database.query, odd)).toBe(true);
    const { key, value, headers, partition, position, publishedAt } = odd;
    expect(await claimDue(database.query, claim)).toMatchObject([
      { attempts: 0, raw: { key, value, headers, partition, position, publishedAt } },
    ]);
  });

  it('are claimed by one process at a time, only the first of each key', async () => {
    await using database = await openTestDatabase();
    for (const [key, position] of [
      ['a', 1],
      ['a', 2],
      ['b', 3],
    ] as const)
      await parkMessage(database.query, entry(key, position));
    const taken = await Promise.all([claimDue(database.query, claim), claimDue(database.query, claim)]);
    const [first, second] = taken.flat().toSorted((one, other) => one.id - other.id);
    expect([first?.raw.key, second?.raw.key]).toEqual(['a', 'b']);
    expect(taken.flat()).toHaveLength(2);
    await removeParked(database.query, first?.id ?? 0);
    expect(await claimDue(database.query, claim)).toMatchObject([{ raw: { key: 'a', position: 2 } }]);
  });

  it('are due again after a claim expires, or after the delay of a failure', async () => {
    await using database = await openTestDatabase();
    await parkMessage(database.query, entry('a', 1));
    const [due] = await claimDue(database.query, { ...claim, leaseMs: 0 });
    expect(await claimDue(database.query, { ...claim, leaseMs: 0 })).toHaveLength(1);
    await postpone(database.query, due?.id ?? 0, { error: new TypeError('a bug'), delayMs: 60_000 });
    expect(await claimDue(database.query, claim)).toEqual([]);
    await postpone(database.query, due?.id ?? 0, { error: new TypeError('a bug'), delayMs: 0 });
    expect(await claimDue(database.query, claim)).toMatchObject([{ attempts: 2 }]);
  });

  // Regression: each claim compared all pairs of messages, so that claiming 3,000 messages took eight minutes.
  it('are claimed in time linear to their number', async () => {
    await using database = await openTestDatabase();
    const { errorCode, errorMessage } = { errorCode: 'Error', errorMessage: 'broken' };
    await database.query.insert(parkedMessage).values(
      Array.from({ length: 4_000 }, (_, position) => ({
        ...ofGroup,
        keyHash: `k${position}`,
        partition: 0,
        position,
        publishedAt: 0,
        message: '{}',
        errorCode,
        errorMessage,
      })),
    );
    const before = await rowsRead();
    for (let time = 0; time < 10; time += 1) expect(await claimDue(database.query, claim)).toHaveLength(10);
    expect((await rowsRead()) - before).toBeLessThan(10 * 4_000 * 10);

    async function rowsRead(): Promise<number> {
      await database.query.execute(sql`select pg_stat_force_next_flush()`);
      const { rows } = await database.query.execute<{ count: number }>(sql`
        select (seq_tup_read + coalesce(idx_tup_fetch, 0))::int as count from pg_stat_user_tables
        where relid = ${'platform.parked_message'}::regclass`);
      return rows[0]?.count ?? 0;
    }
  });
});
