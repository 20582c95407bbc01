import { randomUUID } from 'node:crypto';
import { createBatcher } from '@voucher-gateway/platform/batcher';
import type { Database, Transaction } from '@voucher-gateway/platform/database';
import { isAnyId, rowsOf } from '@voucher-gateway/platform/database/rows';
import type { JobQueue, Jobs } from '@voucher-gateway/platform/jobs';
import { and, asc, eq, sql } from 'drizzle-orm';
import type { PlannedDelivery } from './plan.ts';
import { nextDelayMs } from './retry.ts';
import type { SendResult } from './send-result.ts';
import { attempt, type Delivery, delivery } from './tables.ts';

/** The job that begins a delivery's next attempt: it has ended when the attempt has begun, however long that takes. */
export const attemptQueue: JobQueue<{ deliveryId: string }> = { name: 'delivery-attempt', timeoutMs: 30_000 };

/** An attempt that has been made and is to be stored. */
export interface MadeAttempt {
  deliveryId: string;
  turn: number;
  /** When it began, in milliseconds since the epoch. */
  at: number;
  durationMs: number;
  result: Exclude<SendResult, { outcome: 'stopped' }>;
}

/**
 * The deliveries, and who may attempt them when.
 *
 * A delivery is PENDING until a receiver has taken it (DELIVERED) or the schedule is through (FAILED). While it is
 * PENDING exactly one job is named in its row, and it is `running` or not:
 *
 * - not running: the job makes the next attempt when it is due;
 * - running: an attempt is being made, and the job is its safety net, due when the attempt must have ended. It
 *   runs only if the process died: whoever stores the attempt's result cancels it in the same transaction.
 *
 * Beginning an attempt replaces the job that allowed it by a safety net of its own, by compare-and-set on the
 * job's id. So a job that comes twice, late, or after a redelivery finds itself replaced and does nothing, and no
 * two attempts at one delivery run at once, whatever the number of processes.
 */
export interface DeliveryStore {
  /**
   * Stores what is planned, but for channels that the request already has, each with its job.
   * @param begin whether the caller makes the first attempt at once; else the jobs make it
   * @returns what was stored
   */
  record(planned: readonly PlannedDelivery[], options: { begin: boolean }): Promise<Delivery[]>;
  /** Begins the attempt that a job allows; null where the job has been replaced. */
  begin(deliveryId: string, jobId: string): Promise<Delivery | null>;
  /** Stores an attempt and what follows from it. Answers the delivery as it is then. */
  settle(made: MadeAttempt): Promise<Delivery>;
  /**
   * Starts a user's own delivery anew; one that is being attempted right now is left to that.
   * @returns null where there is none; `begun` where the caller makes the attempt
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
  /** Waiting times between attempts, in milliseconds. */
  schedule: readonly number[];
  /** By then an attempt has ended or its process has died, in milliseconds. */
  leaseMs: number;
}): DeliveryStore {
  const scheduleJob = (tx: Transaction, deliveryId: string, delayMs: number, id: string = randomUUID()) =>
    jobs.schedule(tx, attemptQueue, { deliveryId }, { delayMs, id });

  const recordTogether = createBatcher({
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

  const settleTogether = createBatcher({
    run: (made: readonly MadeAttempt[]) =>
      database.transaction(async (tx) => {
        const before = await locked(
          tx,
          made.map(({ deliveryId }) => deliveryId),
        );
        const after = new Map(before.map((row) => [row.id, row]));
        const answers = made.map((each) => {
          const row = after.get(each.deliveryId);
          if (!row) throw new Error('a delivery that was attempted is not there');
          const changed = { ...row, ...afterAttempt(row, each) };
          after.set(row.id, changed);
          return changed;
        });
        await tx.insert(attempt).select(
          rowsOf(
            attempt,
            made.map(({ deliveryId, turn, at, durationMs, result }) => ({
              deliveryId,
              turn,
              at: new Date(at),
              durationMs,
              status: result.status,
              error: result.outcome === 'failed' ? result.error : null,
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
          await change(tx, row, { status, failures, running, jobId, nextAttemptAt });
        }
        return answers;
      }),
  });

  /** What follows from an attempt: nothing where it is no longer the current one. */
  const afterAttempt = (row: Delivery, { turn, result }: MadeAttempt): Partial<Delivery> => {
    // A result that comes after its lease: delivered still counts, a failure is the later attempt's to tell.
    const isCurrent = row.status === 'PENDING' && (row.turn === turn || result.outcome === 'delivered');
    if (!isCurrent) return {};
    if (result.outcome === 'delivered') return { status: 'DELIVERED', ...ended };
    const failures = row.failures + 1;
    const delayMs = result.final ? null : nextDelayMs({ schedule, failures, retryAfterMs: result.retryAfterMs });
    if (delayMs === null) return { status: 'FAILED', failures, ...ended };
    return { failures, running: false, jobId: randomUUID(), nextAttemptAt: new Date(database.now() + delayMs) };
  };

  return {
    record: (planned, { begin }) => recordTogether({ planned, begin }),

    begin: (deliveryId, jobId) =>
      database.transaction(async (tx) => {
        const safetyId = randomUUID();
        const [row] = await tx
          .update(delivery)
          .set({
            turn: sql`${delivery.turn} + 1`,
            running: true,
            jobId: safetyId,
            nextAttemptAt: new Date(database.now()),
          })
          .where(and(eq(delivery.id, deliveryId), eq(delivery.jobId, jobId), eq(delivery.status, 'PENDING')))
          .returning();
        if (row) await scheduleJob(tx, deliveryId, leaseMs, safetyId);
        return row ?? null;
      }),

    settle: settleTogether,

    redeliver: (deliveryId, userId, { begin }) =>
      database.transaction(async (tx) => {
        const [row] = await locked(tx, [deliveryId]);
        if (row?.userId !== userId) return null;
        if (row.running) return { delivery: row, begun: false };
        if (row.jobId) await jobs.cancel(tx, attemptQueue, [row.jobId]);
        const jobId = await scheduleJob(tx, deliveryId, begin ? leaseMs : 0);
        const renewed = await change(tx, row, {
          status: 'PENDING',
          nextAttemptAt: new Date(database.now()),
          jobId,
          turn: begin ? row.turn + 1 : row.turn,
          running: begin,
          failures: 0,
          round: row.round + 1,
        });
        return { delivery: renewed, begun: begin };
      }),
  };
}

const ended = { running: false, jobId: null, nextAttemptAt: null } as const;

/** In the order of ids: two that lock the same rows then wait for each other instead of both. */
function locked(tx: Transaction, deliveryIds: readonly string[]): Promise<Delivery[]> {
  return tx.select().from(delivery).where(isAnyId(delivery.id, deliveryIds)).orderBy(asc(delivery.id)).for('update');
}

async function change(tx: Transaction, row: Delivery, values: Partial<Delivery>): Promise<Delivery> {
  await tx.update(delivery).set(values).where(eq(delivery.id, row.id));
  return { ...row, ...values };
}
