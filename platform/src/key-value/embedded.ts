import { and, eq, gt, sql } from 'drizzle-orm';
import type { Clock } from '../async/clock.ts';
import { deleteFrom, startHousekeeping } from '../database/housekeeping.ts';
import { keyValueEntry as entry } from '../database/tables.ts';
import type { Database } from '../database.ts';
import { orUnavailable } from '../errors.ts';
import type { KeyValue } from '../key-value.ts';
import type { Log } from '../process/log.ts';

/** The key-value port on a table. Keys expire by the time of `clock`; expired rows are deleted periodically. */
export function createEmbeddedKeyValue({
  database,
  clock,
  log,
}: {
  database: Database;
  clock: Clock;
  log: Log;
}): KeyValue {
  const live = (key: string) => and(eq(entry.key, key), gt(entry.expiresAt, new Date(clock.now())));
  const after = (ttlMs: number) => new Date(clock.now() + ttlMs);
  const housekeeping = startHousekeeping({
    database,
    clock,
    log,
    retentions: [{ name: 'key-value entries', keepMs: 0, deleteSome: deleteFrom(entry, entry.expiresAt) }],
  });

  return {
    async get(key) {
      const [row] = await orUnavailable('KEY_VALUE_UNAVAILABLE', () =>
        database.query.select({ value: entry.value }).from(entry).where(live(key)),
      );
      return row?.value ?? null;
    },
    async set(key, value, { ttlMs }) {
      const expiresAt = after(ttlMs);
      await orUnavailable('KEY_VALUE_UNAVAILABLE', () =>
        database.query
          .insert(entry)
          .values({ key, value, expiresAt })
          .onConflictDoUpdate({ target: entry.key, set: { value, expiresAt } }),
      );
    },
    async touch(key, { ttlMs }) {
      const [row] = await orUnavailable('KEY_VALUE_UNAVAILABLE', () =>
        database.query
          .update(entry)
          .set({ expiresAt: after(ttlMs) })
          .where(live(key))
          .returning({ value: entry.value }),
      );
      return row?.value ?? null;
    },
    async peek(key) {
      const [row] = await orUnavailable('KEY_VALUE_UNAVAILABLE', () =>
        database.query.select().from(entry).where(live(key)),
      );
      return row ? { value: row.value, expiresInMs: row.expiresAt.getTime() - clock.now() } : null;
    },
    async increment(key, by, { ttlMs }) {
      const now = new Date(clock.now());
      const isLive = gt(entry.expiresAt, now);
      const [row] = await orUnavailable('KEY_VALUE_UNAVAILABLE', () =>
        database.query
          .insert(entry)
          .values({ key, value: String(by), expiresAt: after(ttlMs) })
          .onConflictDoUpdate({
            target: entry.key,
            set: {
              value: sql`case when ${isLive} then (${entry.value}::bigint + ${by})::text else excluded.value end`,
              expiresAt: sql`case when ${isLive} then ${entry.expiresAt} else excluded.expires_at end`,
            },
          })
          .returning(),
      );
      if (!row) throw new Error('no row came back');
      return { value: Number(row.value), expiresInMs: row.expiresAt.getTime() - clock.now() };
    },
    async delete(key) {
      const rows = await orUnavailable('KEY_VALUE_UNAVAILABLE', () =>
        database.query.delete(entry).where(live(key)).returning({ key: entry.key }),
      );
      return rows.length > 0;
    },
    async ping() {
      await orUnavailable('KEY_VALUE_UNAVAILABLE', () => database.ping());
      return 'ok';
    },
    [Symbol.asyncDispose]: () => housekeeping[Symbol.asyncDispose](),
  };
}
