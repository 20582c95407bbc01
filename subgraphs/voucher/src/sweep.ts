import type { Clock } from '@voucher-gateway/platform/clock';
import { type Database, tryTransactionLock } from '@voucher-gateway/platform/database';
import type { Log } from '@voucher-gateway/platform/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { and, asc, eq, inArray, lte } from 'drizzle-orm';
import { requestCodeOf } from './request-row.ts';
import { idempotencyKey, voucherRequest } from './tables.ts';

/** On top of the give-up time, so that an outcome on its way is not asked for again. */
const marginMs = 300_000;
const everyMs = 60_000;
const atOnce = 500;

export interface SweepOptions {
  database: Database;
  topics: Topics;
  clock: Clock;
  log: Log;
  giveUpAfterMs: number;
}

/**
 * Each minute, in one process at a time: publishes requests again that pend past their give-up time,
 * which integration answers as in its row, so that a lost message or topic loses nothing; and drops
 * idempotency keys that have expired.
 */
export function startSweep({ database, topics, clock, log, giveUpAfterMs }: SweepOptions): Disposable {
  let timer: Disposable | undefined;
  const sweep = () =>
    database.transaction(async (tx) => {
      if (!(await tryTransactionLock(tx, 'voucher:sweep'))) return;
      const now = database.now();
      await tx.delete(idempotencyKey).where(lte(idempotencyKey.expiresAt, new Date(now)));
      const overdue = await tx
        .select()
        .from(voucherRequest)
        .where(
          and(
            eq(voucherRequest.status, 'PENDING'),
            lte(voucherRequest.publishedAt, new Date(now - giveUpAfterMs - marginMs)),
          ),
        )
        .orderBy(asc(voucherRequest.publishedAt))
        .limit(atOnce);
      if (overdue.length === 0) return;
      log.warn({ count: overdue.length }, 'requests pend past their give-up time and are published again');
      await topics.publishAll(tx, schemaTopics.requestCode, overdue.map(requestCodeOf));
      await tx
        .update(voucherRequest)
        .set({ publishedAt: new Date(now) })
        .where(
          inArray(
            voucherRequest.id,
            overdue.map((request) => request.id),
          ),
        );
    });
  const later = () => {
    timer = clock.setTimer(everyMs, () => {
      sweep().catch((error: unknown) => log.error({ error }, 'the sweep failed; the next one makes up for it'));
      later();
    });
  };
  later();
  return { [Symbol.dispose]: () => timer?.[Symbol.dispose]() };
}
