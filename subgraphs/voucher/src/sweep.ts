import type { Clock } from '@voucher-gateway/platform/async/clock';
import { startRecurring } from '@voucher-gateway/platform/async/recurring';
import { type Database, tryTransactionLock } from '@voucher-gateway/platform/database';
import { createFailureLines } from '@voucher-gateway/platform/process/failure-lines';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { and, asc, lte, sql } from 'drizzle-orm';
import { requestCodeOf } from './request-row.ts';
import { voucherRequest } from './tables.ts';

/** Added to GIVE_UP_AFTER. So this service has time to consume the outcome before the request is published again. */
const marginMs = 300_000;
const everyMs = 60_000;
const batchSize = 500;
/** Limit of batches per run. The remaining requests wait for the next run. */
const batchesPerRun = 200;

export interface SweepOptions {
  database: Database;
  topics: Topics;
  clock: Clock;
  log: Log;
  giveUpAfterMs: number;
}

/**
 * Publishes overdue requests again, every minute. A request is overdue if it is still pending when GIVE_UP_AFTER and
 * `marginMs` have passed since its last publication. By then, voucher-integration should have ended the request. If the
 * request has ended, voucher-integration reacts to the second message by publishing the outcome again. So requests
 * recover from a lost message or topic. A lock ensures that only one process publishes at a time.
 */
export function startSweep({ database, topics, clock, log, giveUpAfterMs }: SweepOptions): AsyncDisposable {
  /** Returns the number of requests published; 0 while another process holds the lock. */
  const publishBatch = (now: number): Promise<number> =>
    database.transaction(async (tx) => {
      if (!(await tryTransactionLock(tx, 'voucher:sweep'))) return 0;
      const overdue = tx
        .select({ id: voucherRequest.id })
        .from(voucherRequest)
        .where(
          and(
            // The status is a literal, not a parameter. PostgreSQL uses the partial index only if the query contains
            // the index's condition.
            sql`${voucherRequest.status} = 'PENDING'`,
            lte(voucherRequest.publishedAt, new Date(now - giveUpAfterMs - marginMs)),
          ),
        )
        .orderBy(asc(voucherRequest.publishedAt))
        .limit(batchSize)
        // Locked rows are skipped, because the outcome of a locked request is being stored.
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
        for (let batch = 0; batch < batchesPerRun && !signal.aborted; batch += 1) {
          const published = await publishBatch(now);
          count += published;
          if (published < batchSize) return;
        }
      } finally {
        if (count > 0) log.warn({ count }, 'overdue requests were published again');
      }
    },
    onFailure: (error) => logFailure({ error }, 'the sweep failed; the next one retries'),
  });
}
