import type { Clock } from '@voucher-gateway/platform/async/clock';
import { startRecurring } from '@voucher-gateway/platform/async/recurring';
import type { Database, Transaction } from '@voucher-gateway/platform/database';
import { isAnyId } from '@voucher-gateway/platform/database/rows';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import { and, asc, count, eq, gte, lte, sql } from 'drizzle-orm';
import { delivery, endpoint, recovery } from '../tables.ts';
import { deleteOldAttempts } from './old-attempts.ts';

/** Number of deliveries that one batch restarts. */
const batchSize = 250;
/** Time between two batches of a user, so that the deliveries of other users are not delayed. */
const pauseMs = 1_000;
/** Limit of batches per run. The next batch of the same user follows after `pauseMs`. */
const maxBatches = 8;
const noId = '00000000-0000-0000-0000-000000000000';

type Recovery = typeof recovery.$inferSelect;

/** Restarts failed deliveries, until disposed. */
export interface Recoveries extends AsyncDisposable {
  /**
   * Restarts the failed deliveries of a user that were created at `since` or later. The oldest deliveries are restarted
   * at once, as the first batch. Further batches follow in the background. A user has one recovery at a time. A second
   * call extends the recovery.
   * @returns number of failed deliveries that are restarted
   */
  begin(userId: string, since: Date): Promise<number>;
}

export function startRecoveries({ database, clock, log }: { database: Database; clock: Clock; log: Log }): Recoveries {
  const lines = createRepeatedLines(log);
  /**
   * The last call of each user. Calls of one user run one after another. Concurrent calls would wait for the same row,
   * each with a database connection of its own.
   */
  const calls = new Map<string, Promise<number>>();

  const begin = (userId: string, since: Date): Promise<number> =>
    database.transaction(async (tx) => {
      const now = new Date(database.now());
      const [started] = await tx
        .insert(recovery)
        .values({ userId, until: now, reachedAt: since, reachedId: noId, dueAt: now })
        .onConflictDoUpdate({
          target: recovery.userId,
          set: {
            until: sql`excluded.until`,
            reachedAt: sql`least(${recovery.reachedAt}, excluded.reached_at)`,
            reachedId: sql`case when excluded.reached_at <= ${recovery.reachedAt} then excluded.reached_id
              else ${recovery.reachedId} end`,
          },
        })
        .returning();
      if (!started) throw new Error('a recovery could not be stored');
      const [found] = await tx
        .select({ count: count() })
        .from(delivery)
        .where(and(failedOf(userId), gte(delivery.createdAt, since), lte(delivery.createdAt, now)));
      await restartBatch(tx, started, database.now());
      return found?.count ?? 0;
    });

  /**
   * Restarts the next batch of one recovery, the one with the earliest `dueAt`. Resolves with false if no recovery is
   * due.
   */
  const continueOne = (): Promise<boolean> =>
    database.transaction(async (tx) => {
      const [due] = await tx
        .select()
        .from(recovery)
        .where(lte(recovery.dueAt, new Date(database.now())))
        .orderBy(asc(recovery.dueAt))
        .limit(1)
        .for('update', { skipLocked: true });
      if (due) await restartBatch(tx, due, database.now());
      return due !== undefined;
    });

  const batches = startRecurring({
    clock,
    everyMs: pauseMs,
    async work(signal) {
      for (let made = 0; made < maxBatches && !signal.aborted; made += 1) if (!(await continueOne())) return;
    },
    onFailure: (error) =>
      lines.warn('batch', { error }, 'failed deliveries could not be recovered; the next run retries'),
  });

  return {
    begin(userId, since) {
      const call = (calls.get(userId) ?? Promise.resolve())
        .catch(() => {})
        .then(() => begin(userId, since))
        .finally(() => {
          if (calls.get(userId) === call) calls.delete(userId);
        });
      calls.set(userId, call);
      return call;
    },
    [Symbol.asyncDispose]: () => batches[Symbol.asyncDispose](),
  };
}

/** Restarts the next batch of a recovery's deliveries. Ends the recovery after its last batch. */
async function restartBatch(
  tx: Transaction,
  { userId, until, reachedAt, reachedId }: Recovery,
  nowMs: number,
): Promise<void> {
  // A batch continues after the last restarted delivery. So a delivery that fails again at once is not restarted twice.
  const batch = await tx
    .select({ id: delivery.id, createdAt: delivery.createdAt })
    .from(delivery)
    .where(
      and(
        failedOf(userId),
        lte(delivery.createdAt, until),
        sql`(${delivery.createdAt}, ${delivery.id}) > (${reachedAt.toISOString()}::timestamptz, ${reachedId}::uuid)`,
      ),
    )
    .orderBy(asc(delivery.createdAt), asc(delivery.id))
    .limit(batchSize);
  const last = batch.at(-1);
  if (last)
    await restart(
      tx,
      batch.map(({ id }) => id),
      nowMs,
    );
  if (!last || batch.length < batchSize) await tx.delete(recovery).where(eq(recovery.userId, userId));
  else
    await tx
      .update(recovery)
      .set({ reachedAt: last.createdAt, reachedId: last.id, dueAt: new Date(nowMs + pauseMs) })
      .where(eq(recovery.userId, userId));
}

/** Makes failed deliveries due again, as `redeliver` does for one delivery. */
async function restart(tx: Transaction, ids: readonly string[], nowMs: number): Promise<void> {
  // The rows are locked in id order, so that two transactions can not deadlock.
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
      nextAttemptAt: new Date(nowMs),
      failures: 0,
      round: sql`${delivery.round} + 1`,
    })
    .where(and(isAnyId(delivery.id, ids), eq(delivery.status, 'FAILED')));
  await deleteOldAttempts(tx, ids);
}

/**
 * Returns the SQL condition for a user's failed deliveries, without deliveries to disabled endpoints. PostgreSQL can
 * use the index `delivery_failed` for this condition.
 */
function failedOf(userId: string) {
  return and(
    eq(delivery.userId, userId),
    sql`${delivery.status} = 'FAILED'`,
    sql`not exists (
      select from ${endpoint} where ${endpoint.id} = ${delivery.endpointId} and ${endpoint.disabledAt} is not null)`,
  );
}
