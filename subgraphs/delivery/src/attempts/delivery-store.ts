import { randomUUID } from 'node:crypto';
import { createBatcher } from '@voucher-gateway/platform/async/batcher';
import type { Database, Transaction } from '@voucher-gateway/platform/database';
import { isAnyId, rowsOf } from '@voucher-gateway/platform/database/rows';
import type { JobQueue, Jobs } from '@voucher-gateway/platform/jobs';
import { and, asc, eq, sql } from 'drizzle-orm';
import type { SendResult } from '../attempt-result.ts';
import type { PlannedDelivery } from '../plan-deliveries.ts';
import { attempt, type Delivery, delivery } from '../tables.ts';
import { nextDelayMs } from './retry-schedule.ts';

/** The job that starts a delivery's next attempt. It ends when the attempt has started, however long that one takes. */
export const attemptQueue: JobQueue<{ deliveryId: string }> = { name: 'delivery-attempt', timeoutMs: 30_000 };

/** The result of an attempt, to be stored. */
export interface FinishedAttempt {
  deliveryId: string;
  turn: number;
  /** When it started, in milliseconds since the epoch. */
  at: number;
  durationMs: number;
  result: Exclude<SendResult, { outcome: 'stopped' }>;
}

/**
 * The deliveries and their attempts.
 *
 * A delivery is PENDING until a receiver has accepted it (DELIVERED) or the retry schedule has ended (FAILED). A PENDING
 * delivery names exactly one job, and is in one of two states:
 *
 * - not `running`: the job makes the next attempt when it is due;
 * - `running`: an attempt is in progress. The job is its lease: it makes the next attempt if no result is stored within
 *   `leaseMs`, because the process has died. Storing the result cancels the job in the same transaction.
 *
 * Starting an attempt replaces the job by the lease, by compare-and-set on the job's id. A duplicate or outdated job
 * therefore does nothing, and a delivery never has two attempts at the same time, in any number of processes.
 */
export interface DeliveryStore {
  /**
   * Stores planned deliveries, each with its job. A channel that the request already has is skipped.
   * @param begin whether the caller makes the first attempts at once; otherwise the jobs do
   * @returns the deliveries that were stored
   */
  record(planned: readonly PlannedDelivery[], options: { begin: boolean }): Promise<Delivery[]>;
  /** Starts the attempt of a job; null if the job has been replaced. */
  begin(deliveryId: string, jobId: string): Promise<Delivery | null>;
  /** Stores an attempt and the delivery's next state, which it returns. */
  settle(finished: FinishedAttempt): Promise<Delivery>;
  /**
   * Restarts a user's own delivery, unless an attempt is in progress.
   * @returns null if there is none; `begun` if the caller makes the attempt
   */
  redeliver(
    deliveryId: string,
    userId: string,
    options: { begin: boolean },
  ): Promise<{ delivery: Delivery; begun: boolean } | null>;
}

export function createDeliveryStore({
  database,
  jobs,
  schedule,
  leaseMs,
}: {
  database: Database;
  jobs: Jobs;
  /** Delays between attempts, in milliseconds. */
  schedule: readonly number[];
  /** Time after which an attempt has ended or its process has died, in milliseconds. */
  leaseMs: number;
}): DeliveryStore {
  const scheduleJob = (tx: Transaction, deliveryId: string, delayMs: number, id: string = randomUUID()) =>
    jobs.schedule(tx, attemptQueue, { deliveryId }, { delayMs, id });

  const recordInBatch = createBatcher({
    run: (calls: readonly { planned: readonly PlannedDelivery[]; begin: boolean }[]) =>
      database.transaction(async (tx) => {
        const now = new Date(database.now());
        const rows = calls.flatMap(({ planned, begin }) =>
          planned.map((plan) => ({
            ...plan,
            status: 'PENDING' as const,
            createdAt: now,
            nextAttemptAt: now,
            jobId: randomUUID(),
            turn: begin ? 1 : 0,
            running: begin,
            failures: 0,
            round: 0,
          })),
        );
        const stored = await tx
          .insert(delivery)
          .select(
            rowsOf(
              delivery,
              rows.toSorted((one, other) => (one.requestId < other.requestId ? -1 : 1)),
            ),
          )
          .onConflictDoNothing({ target: [delivery.requestId, delivery.channel] })
          .returning();
        await jobs.scheduleAll(
          tx,
          attemptQueue,
          stored.map(({ id, jobId, running }) => ({
            data: { deliveryId: id },
            delayMs: running ? leaseMs : 0,
            id: jobId ?? undefined,
          })),
        );
        const byId = new Map(stored.map((row) => [row.id, row]));
        return calls.map(({ planned }) => planned.flatMap(({ id }) => byId.get(id) ?? []));
      }),
  });

  const settleInBatch = createBatcher({
    run: (attempts: readonly FinishedAttempt[]) =>
      database.transaction(async (tx) => {
        const before = await lockRows(
          tx,
          attempts.map(({ deliveryId }) => deliveryId),
        );
        const after = new Map(before.map((row) => [row.id, row]));
        const results = attempts.map((each) => {
          const row = after.get(each.deliveryId);
          if (!row) throw new Error('a delivery was deleted during its attempt');
          const changed = { ...row, ...applyAttempt(row, each) };
          after.set(row.id, changed);
          return changed;
        });
        await tx.insert(attempt).select(
          rowsOf(
            attempt,
            attempts.map(({ deliveryId, turn, at, durationMs, result }) => ({
              deliveryId,
              turn,
              at: new Date(at),
              durationMs,
              status: result.status,
              error: result.outcome === 'failed' ? result.error : null,
              response: result.response,
            })),
          ),
        );
        const changes = before.flatMap((row) => {
          const changed = after.get(row.id);
          return changed && changed.jobId !== row.jobId ? { row, changed } : [];
        });
        await jobs.cancel(
          tx,
          attemptQueue,
          changes.flatMap(({ row }) => row.jobId ?? []),
        );
        const delivered = changes.filter(({ changed }) => changed.status === 'DELIVERED').map(({ row }) => row.id);
        if (delivered.length > 0)
          await tx
            .update(delivery)
            .set({ status: 'DELIVERED', ...ended })
            .where(isAnyId(delivery.id, delivered));
        for (const { row, changed } of changes) {
          if (changed.status === 'DELIVERED') continue;
          const { status, failures, running, jobId, nextAttemptAt } = changed;
          if (jobId && nextAttemptAt) await scheduleJob(tx, row.id, nextAttemptAt.getTime() - database.now(), jobId);
          await updateRow(tx, row, { status, failures, running, jobId, nextAttemptAt });
        }
        return results;
      }),
  });

  /** Returns the changes after an attempt: none if it is no longer the current one. */
  const applyAttempt = (row: Delivery, { turn, result }: FinishedAttempt): Partial<Delivery> => {
    // After its lease a success still counts, but a failure does not: a later attempt is in progress.
    const isCurrent = row.status === 'PENDING' && (row.turn === turn || result.outcome === 'delivered');
    if (!isCurrent) return {};
    if (result.outcome === 'delivered') return { status: 'DELIVERED', ...ended };
    const failures = row.failures + 1;
    const delayMs = result.final ? null : nextDelayMs({ schedule, failures, retryAfterMs: result.retryAfterMs });
    if (delayMs === null) return { status: 'FAILED', failures, ...ended };
    return { failures, running: false, jobId: randomUUID(), nextAttemptAt: new Date(database.now() + delayMs) };
  };

  return {
    record: (planned, { begin }) => recordInBatch({ planned, begin }),

    begin: (deliveryId, jobId) =>
      database.transaction(async (tx) => {
        const leaseId = randomUUID();
        const [row] = await tx
          .update(delivery)
          .set({
            turn: sql`${delivery.turn} + 1`,
            running: true,
            jobId: leaseId,
            nextAttemptAt: new Date(database.now()),
          })
          .where(and(eq(delivery.id, deliveryId), eq(delivery.jobId, jobId), eq(delivery.status, 'PENDING')))
          .returning();
        if (row) await scheduleJob(tx, deliveryId, leaseMs, leaseId);
        return row ?? null;
      }),

    settle: settleInBatch,

    redeliver: (deliveryId, userId, { begin }) =>
      database.transaction(async (tx) => {
        const [row] = await lockRows(tx, [deliveryId]);
        if (row?.userId !== userId) return null;
        if (row.running) return { delivery: row, begun: false };
        if (row.jobId) await jobs.cancel(tx, attemptQueue, [row.jobId]);
        const jobId = await scheduleJob(tx, deliveryId, begin ? leaseMs : 0);
        const restarted = await updateRow(tx, row, {
          status: 'PENDING',
          nextAttemptAt: new Date(database.now()),
          jobId,
          turn: begin ? row.turn + 1 : row.turn,
          running: begin,
          failures: 0,
          round: row.round + 1,
        });
        return { delivery: restarted, begun: begin };
      }),
  };
}

const ended = { running: false, jobId: null, nextAttemptAt: null } as const;

/** Locks rows in id order, so that two transactions can not deadlock. */
function lockRows(tx: Transaction, deliveryIds: readonly string[]): Promise<Delivery[]> {
  return tx.select().from(delivery).where(isAnyId(delivery.id, deliveryIds)).orderBy(asc(delivery.id)).for('update');
}

async function updateRow(tx: Transaction, row: Delivery, values: Partial<Delivery>): Promise<Delivery> {
  await tx.update(delivery).set(values).where(eq(delivery.id, row.id));
  return { ...row, ...values };
}
