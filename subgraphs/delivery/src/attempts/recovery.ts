import type { Database, Transaction } from '@voucher-gateway/platform/database';
import { isAnyId } from '@voucher-gateway/platform/database/rows';
import type { JobQueue, Jobs } from '@voucher-gateway/platform/jobs';
import { and, asc, count, eq, gte, lte, sql } from 'drizzle-orm';
import { delivery, endpoint } from '../tables.ts';

/** A recovery that is in progress: the failed deliveries of a user that it has not reached yet. */
export interface Recovery {
  userId: string;
  /** ISO 8601, as are all its times. A later one is not part of it: it fails only after the call. */
  until: string;
  /** The last delivery that it has reached. */
  after: { createdAt: string; id: string };
}

/** The job that restarts the next batch of a recovery. */
export const recoveryQueue: JobQueue<Recovery> = { name: 'delivery-recovery', timeoutMs: 60_000 };

/** Deliveries that one call or job restarts. */
const batchSize = 250;
/** Time between two batches, so that the deliveries of others are not delayed. */
const pauseMs = 1_000;
const noId = '00000000-0000-0000-0000-000000000000';

/** Restarts failed deliveries. */
export interface Recoveries {
  /**
   * Restarts a user's own deliveries that were created since an instant and have failed: the oldest at once, the rest in
   * batches by jobs. One that another call has restarted is skipped.
   * @returns how many they are
   */
  begin(userId: string, since: Date): Promise<number>;
  /** Handles a job. */
  runJob(recovery: Recovery): Promise<void>;
}

export function createRecoveries({ database, jobs }: { database: Database; jobs: Jobs }): Recoveries {
  /** Restarts the next batch, and schedules the one after it. */
  const restartBatch = async (tx: Transaction, { userId, until, after }: Recovery) => {
    // By position: a delivery that fails again at once is not restarted twice.
    const batch = await tx
      .select({ id: delivery.id, createdAt: delivery.createdAt })
      .from(delivery)
      .where(
        and(
          failedOf(userId),
          lte(delivery.createdAt, new Date(until)),
          sql`(${delivery.createdAt}, ${delivery.id}) > (${after.createdAt}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(asc(delivery.createdAt), asc(delivery.id))
      .limit(batchSize);
    const last = batch.at(-1);
    if (!last) return;
    await restart(
      tx,
      batch.map(({ id }) => id),
    );
    if (batch.length < batchSize) return;
    const next = { userId, until, after: { createdAt: last.createdAt.toISOString(), id: last.id } };
    await jobs.schedule(tx, recoveryQueue, next, { delayMs: pauseMs });
  };

  /** Makes deliveries due, as `redeliver` does. */
  const restart = async (tx: Transaction, ids: readonly string[]) => {
    // In id order, so that two transactions can not deadlock.
    await tx
      .select({ id: delivery.id })
      .from(delivery)
      .where(isAnyId(delivery.id, ids))
      .orderBy(asc(delivery.id))
      .for('update');
    await tx
      .update(delivery)
      .set({
        status: 'PENDING',
        error: null,
        nextAttemptAt: new Date(database.now()),
        failures: 0,
        round: sql`${delivery.round} + 1`,
      })
      .where(and(isAnyId(delivery.id, ids), eq(delivery.status, 'FAILED')));
  };

  return {
    begin: (userId, since) =>
      database.transaction(async (tx) => {
        const until = new Date(database.now());
        // One call at a time per user: a second one does not count what the first one restarts.
        await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`delivery-recovery:${userId}`}))`);
        const [found] = await tx
          .select({ count: count() })
          .from(delivery)
          .where(and(failedOf(userId), gte(delivery.createdAt, since), lte(delivery.createdAt, until)));
        await restartBatch(tx, {
          userId,
          until: until.toISOString(),
          after: { createdAt: since.toISOString(), id: noId },
        });
        return found?.count ?? 0;
      }),
    runJob: (recovery) => database.transaction((tx) => restartBatch(tx, recovery)),
  };
}

/** Written like the index `delivery_failed`. Deliveries to disabled endpoints stay as they are. */
function failedOf(userId: string) {
  return and(
    eq(delivery.userId, userId),
    sql`${delivery.status} = 'FAILED'`,
    sql`not exists (
      select from ${endpoint} where ${endpoint.id} = ${delivery.endpointId} and ${endpoint.disabledAt} is not null)`,
  );
}
