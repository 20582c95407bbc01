import { and, lt, type SQL, sql } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { Clock } from '../async/clock.ts';
import { pause } from '../async/pause.ts';
import { startRecurring } from '../async/recurring.ts';
import type { Database, Queryable } from '../database.ts';
import type { Log } from '../process/log.ts';

/** Rows of a table that are deleted when they are too old. */
export interface Retention {
  /** Describes the rows in log lines, such as `unused endpoints`. */
  name: string;
  /** Age in milliseconds after which rows are deleted. With Infinity, no row is deleted. */
  keepMs: number;
  /** Deletes at most `limit` rows older than `before`, in one short statement. Returns the number of deleted rows. */
  deleteSome(query: Queryable, options: { before: Date; limit: number }): Promise<number>;
}

export interface HousekeepingOptions {
  database: Database;
  clock: Clock;
  log: Log;
  retentions: readonly Retention[];
  /** Interval between runs, in milliseconds. Default: 10 minutes. */
  everyMs?: number;
  /** Limit of rows per statement. Default: 500. */
  atOnce?: number;
  /** Pause between statements, in milliseconds, to give requests priority. Default: 50. */
  pauseMs?: number;
}

/**
 * Deletes rows past their retention in small batches, one batch per table in turn. Concurrent processes skip each
 * other's locked rows. A failure is logged once per run, and the next run retries the deletion.
 */
export function startHousekeeping({
  database,
  clock,
  log,
  retentions,
  everyMs = 600_000,
  atOnce = 500,
  pauseMs = 50,
}: HousekeepingOptions): AsyncDisposable {
  return startRecurring({
    clock,
    everyMs,
    async work(signal) {
      const now = database.now();
      const counts = new Map<string, number>();
      const failed = new Map<string, unknown>();
      /** Deletes one batch. Resolves with true if more rows may be left, and with false after a failure. */
      const deleteBatch = async ({ name, keepMs, deleteSome }: Retention): Promise<boolean> => {
        if (signal.aborted) return false;
        try {
          const count = await deleteSome(database.query, { before: new Date(now - keepMs), limit: atOnce });
          counts.set(name, (counts.get(name) ?? 0) + count);
          return count >= atOnce;
        } catch (error) {
          failed.set(name, error);
          return false;
        }
      };
      for (
        let left = retentions.filter(({ keepMs }) => keepMs < Number.POSITIVE_INFINITY);
        left.length > 0 && !signal.aborted;
      ) {
        const more: Retention[] = [];
        for (const retention of left) if (await deleteBatch(retention)) more.push(retention);
        left = more;
        if (left.length > 0) await pause(pauseMs, signal);
      }
      for (const [name, count] of counts) if (count > 0) log.debug({ name, count }, 'old rows were deleted');
      const [first] = failed.values();
      if (failed.size > 0 && !signal.aborted)
        log.warn({ error: first, names: [...failed.keys()] }, 'old rows could not be deleted; the next run retries');
    },
    onFailure: (error) => log.warn({ error }, 'housekeeping failed; the next run retries'),
  });
}

/**
 * Returns a `deleteSome` that deletes the oldest rows of a table by the column `age`. An index must begin with this
 * column.
 */
export function deleteFrom(table: PgTable, age: PgColumn, where?: SQL): Retention['deleteSome'] {
  return async (query, { before, limit }) => {
    const { rows } = await query.execute<{ count: number }>(sql`
      with gone as (
        delete from ${table} where ctid = any(array(${selectOldest(table, age, { before, limit, where })})) returning 1
      )
      select count(*)::int as count from gone`);
    return rows[0]?.count ?? 0;
  };
}

/**
 * Selects the physical locations (ctid) of a table's oldest rows, and locks these rows. Rows that another transaction
 * has locked are skipped.
 */
export function selectOldest(
  table: PgTable,
  age: PgColumn,
  { before, limit, where }: { before: Date; limit: number; where?: SQL },
): SQL {
  return sql`select ctid from ${table} where ${and(lt(age, before), where)} order by ${age} limit ${limit} for update skip locked`;
}
