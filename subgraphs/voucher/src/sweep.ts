import type { Clock } from '@voucher-gateway/platform/clock';
import { type Database, tryTransactionLock } from '@voucher-gateway/platform/database';
import { createFailureLines } from '@voucher-gateway/platform/failure-lines';
import type { Log } from '@voucher-gateway/platform/log';
import { startRecurring } from '@voucher-gateway/platform/recurring';
import type { Topics } from '@voucher-gateway/platform/topics';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { and, asc, lte, sql } from 'drizzle-orm';
import { requestCodeOf } from './request-row.ts';
import { voucherRequest } from './tables.ts';

/** On top of the give-up time, so that an outcome on its way is not asked for again. */
const marginMs = 300_000;
const everyMs = 60_000;
const atOnce = 500;
/** What is left is the next turn's. */
const batchesPerTurn = 200;

export interface SweepOptions {
  database: Database;
  topics: Topics;
  clock: Clock;
  log: Log;
  giveUpAfterMs: number;
}

/**
 * Each minute: publishes requests again that pend past their give-up time, as many as there are. Integration answers
 * them as in its row, so that a lost message or topic loses nothing. Processes take turns, batch by batch.
 */
export function startSweep({ database, topics, clock, log, giveUpAfterMs }: SweepOptions): AsyncDisposable {
  /** Returns how many it has published; 0 where another process is at it. */
  const publishSome = (now: number): Promise<number> =>
    database.transaction(async (tx) => {
      if (!(await tryTransactionLock(tx, 'voucher:sweep'))) return 0;
      const overdue = tx
        .select({ id: voucherRequest.id })
        .from(voucherRequest)
        .where(
          and(
            // Written out, as a parameter would not be known to be the index's own.
            sql`${voucherRequest.status} = 'PENDING'`,
            lte(voucherRequest.publishedAt, new Date(now - giveUpAfterMs - marginMs)),
          ),
        )
        .orderBy(asc(voucherRequest.publishedAt))
        .limit(atOnce)
        // Whoever has one locked is about to end it.
        .for('update', { skipLocked: true });
      const requests = await tx
        .update(voucherRequest)
        .set({ publishedAt: new Date(now) })
        .where(sql`${voucherRequest.id} = any(array(${overdue}))`)
        .returning();
      await topics.publishAll(tx, schemaTopics.requestCode, requests.map(requestCodeOf));
      return requests.length;
    });
  const logFailure = createFailureLines(log);
  return startRecurring({
    clock,
    everyMs,
    async work(signal) {
      const now = database.now();
      let count = 0;
      try {
        for (let batch = 0; batch < batchesPerTurn && !signal.aborted; batch += 1) {
          const published = await publishSome(now);
          count += published;
          if (published < atOnce) return;
        }
      } finally {
        if (count > 0) log.warn({ count }, 'requests pend past their give-up time and are published again');
      }
    },
    onFailure: (error) => logFailure({ error }, 'the sweep failed; the next one makes up for it'),
  });
}
