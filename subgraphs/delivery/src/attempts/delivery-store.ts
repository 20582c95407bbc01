import { createBatcher } from '@voucher-gateway/platform/async/batcher';
import type { Database, Transaction } from '@voucher-gateway/platform/database';
import { isAnyId, joinById, rowsOf } from '@voucher-gateway/platform/database/rows';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { asc, eq, sql } from 'drizzle-orm';
import type { SendResult } from '../attempt-result.ts';
import { endpointOf } from '../endpoints/endpoint.ts';
import type { PlannedDelivery } from '../plan-deliveries.ts';
import { type Attempt, attempt, type Delivery, delivery, endpoint } from '../tables.ts';
import { deleteOldAttempts } from './old-attempts.ts';
import { nextDelayMs, type RetryInput } from './retry-schedule.ts';

/** The result of an attempt, to be stored. */
export interface FinishedAttempt {
  deliveryId: string;
  turn: number;
  /** When the attempt started, in milliseconds since the epoch. */
  at: number;
  durationMs: number;
  result: Exclude<SendResult, { outcome: 'stopped' }>;
}

/**
 * The deliveries and their attempts.
 *
 * A delivery is PENDING until a receiver has accepted it (DELIVERED), or the retry schedule has ended (FAILED). Without
 * a configured provider, an SMS becomes SIMULATED. A PENDING delivery has one time, `nextAttemptAt`, and is in one of
 * three states:
 *
 * - not `running`: the next attempt is due at that time;
 * - `running`: an attempt is in progress, and the time is the end of its lease. If no result is stored by that time,
 *   the process has died, and the next attempt is due.
 *
 * - accepted (`acceptedTurn` is set): an SMS provider has accepted the SMS, and its report ends the delivery
 *   (`reports.ts`). If there is no report by that time, the acceptance counts as delivery.
 *
 * So in each state a delivery is due when its time has come. `due-deliveries.ts` ends expired leases and finds due
 * deliveries. It starts an attempt by setting the time to the end of a lease, in a statement that skips rows which
 * another process has locked. Therefore a delivery never has two attempts at the same time, in any number of processes,
 * and no delivery is forgotten.
 */
export interface DeliveryStore {
  /**
   * Stores planned deliveries. A delivery to a disabled endpoint is stored as failed. A delivery is skipped if the
   * request already has one over the same channel.
   * @param planned a delivery with `begin` is stored as `running`, because the caller makes its first attempt at once
   * @returns the deliveries that were stored
   */
  record(planned: readonly (PlannedDelivery & { begin: boolean })[]): Promise<Delivery[]>;
  /** Stores an attempt and the delivery's next state, which it returns. */
  settle(finished: FinishedAttempt): Promise<Delivery>;
  /**
   * Makes a user's own delivery due, unless an attempt is in progress. Returns null if the user has no such delivery.
   * @throws CodedError ENDPOINT_DISABLED
   */
  redeliver(deliveryId: string, userId: string): Promise<Delivery | null>;
}

export function createDeliveryStore({
  database,
  schedule,
  maxRetryAfterMs = Number.POSITIVE_INFINITY,
  leaseMs,
}: {
  database: Database;
  /** Delays between attempts, in milliseconds. */
  schedule: readonly number[];
  /** A longer Retry-After is reduced to this time, in milliseconds. Default: no limit. */
  maxRetryAfterMs?: number;
  /** Duration of a lease, in milliseconds: after this time an attempt has ended, or its process has died. */
  leaseMs: number;
}): DeliveryStore {
  const recordInBatch = createBatcher({
    run: async (calls: readonly (readonly (PlannedDelivery & { begin: boolean })[])[]) => {
      const now = database.now();
      const rows = calls.flat().map(({ begin, ...plan }) => ({
        ...plan,
        status: 'PENDING' as const,
        createdAt: new Date(now),
        nextAttemptAt: new Date(begin ? now + leaseMs : now),
        endpointId: endpointOf(plan).id,
        turn: begin ? 1 : 0,
        running: begin,
        failures: 0,
        round: 0,
      }));
      const stored = await database.query
        .insert(delivery)
        .select(
          rowsOf(
            delivery,
            rows.toSorted((one, other) => (one.requestId < other.requestId ? -1 : 1)),
            {
              status: sql`case when ${isDisabled} then 'FAILED' else input.status end`,
              error: sql`case when ${isDisabled} then 'ENDPOINT_DISABLED' end`,
              nextAttemptAt: sql`case when not ${isDisabled} then input.next_attempt_at end`,
              running: sql`input.running and not ${isDisabled}`,
            },
          ),
        )
        .onConflictDoNothing({ target: [delivery.requestId, delivery.channel] })
        .returning();
      const byId = new Map(stored.map((row) => [row.id, row]));
      return calls.map((planned) => planned.flatMap(({ id }) => byId.get(id) ?? []));
    },
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
        const made = attempts.flatMap(attemptRow);
        if (made.length > 0) await insertAttempts(tx, made);
        await updateStates(
          tx,
          before.flatMap((row) => {
            const changed = after.get(row.id);
            return changed && (changed.nextAttemptAt !== row.nextAttemptAt || changed.status !== row.status)
              ? changed
              : [];
          }),
        );
        return results;
      }),
  });

  /** Returns the changes of a delivery after an attempt. There are none if the attempt is no longer the current one. */
  const applyAttempt = (row: Delivery, { turn, result }: FinishedAttempt): Partial<Delivery> => {
    // A success counts even after the lease, and even if the delivery has failed in between because its endpoint was
    // disabled. A late failure does not count: a later attempt is in progress, or the provider's report has ended this
    // attempt.
    const isCurrent = row.status === 'PENDING' && row.turn === turn && row.running;
    if (!isCurrent && (result.outcome !== 'delivered' || row.status === 'DELIVERED')) return {};
    const nowMs = database.now();
    switch (result.outcome) {
      case 'delivered':
      case 'unreported':
        return { status: 'DELIVERED', ...ended };
      case 'accepted':
        return { ...dueAt(nowMs + result.reportWithinMs), acceptedTurn: turn };
      case 'simulated':
        return { status: 'SIMULATED', ...ended };
      case 'postponed':
        return dueAt(nowMs + result.delayMs);
      case 'failed':
        return retryOrFail(row, { schedule, maxRetryAfterMs, nowMs, ...result });
    }
  };

  return {
    record: recordInBatch,

    settle: settleInBatch,

    redeliver: (deliveryId, userId) =>
      database.transaction(async (tx) => {
        const [row] = await lockRows(tx, [deliveryId]);
        if (row?.userId !== userId) return null;
        if (row.running) return row;
        if (await isEndpointDisabled(tx, row.endpointId))
          throw new CodedError<PublicErrorCode>('ENDPOINT_DISABLED', 'Its endpoint is disabled; enable it first.');
        const restarted = {
          ...row,
          status: 'PENDING' as const,
          ...dueAt(database.now()),
          failures: 0,
          round: row.round + 1,
        };
        await updateStates(tx, [restarted]);
        await deleteOldAttempts(tx, [row.id]);
        return restarted;
      }),
  };
}

/** Returns the row of an attempt; an empty list if nothing was sent. */
function attemptRow({ deliveryId, turn, at, durationMs, result }: FinishedAttempt): Attempt[] {
  if (result.outcome === 'postponed' || result.outcome === 'unreported') return [];
  const { status = null, response = null } = 'response' in result ? result : {};
  const error = result.outcome === 'failed' ? result.error : null;
  return [{ deliveryId, turn, at: new Date(at), durationMs, status, error, response }];
}

async function insertAttempts(tx: Transaction, rows: readonly Attempt[]): Promise<void> {
  await tx
    .insert(attempt)
    .select(rowsOf(attempt, rows))
    // If a report has already stored the attempt's result, that result stays.
    .onConflictDoUpdate({
      target: [attempt.deliveryId, attempt.turn],
      set: { at: sql`excluded.at`, durationMs: sql`excluded.duration_ms` },
    });
}

/** The changes of a delivery that has ended. */
export const ended = { running: false, acceptedTurn: null, nextAttemptAt: null } as const;

function dueAt(ms: number) {
  return { running: false, acceptedTurn: null, nextAttemptAt: new Date(ms) };
}

/** The changes after a failed attempt. */
export function retryOrFail(
  { failures: before }: Delivery,
  { final, nowMs, ...retry }: { final: boolean; nowMs: number } & Omit<RetryInput, 'failures'>,
): Partial<Delivery> {
  const failures = before + 1;
  const delayMs = final ? null : nextDelayMs({ ...retry, failures });
  return delayMs === null ? { status: 'FAILED', failures, ...ended } : { failures, ...dueAt(nowMs + delayMs) };
}

/** Whether the endpoint of an input row is disabled. */
const isDisabled = sql`exists (
  select from ${endpoint} where ${endpoint.id} = input.endpoint_id and ${endpoint.disabledAt} is not null)`;

async function isEndpointDisabled(tx: Transaction, id: string): Promise<boolean> {
  const [row] = await tx.select({ disabledAt: endpoint.disabledAt }).from(endpoint).where(eq(endpoint.id, id));
  return row !== undefined && row.disabledAt !== null;
}

/** Locks rows in id order, so that two transactions can not deadlock. */
export function lockRows(tx: Transaction, deliveryIds: readonly string[]): Promise<Delivery[]> {
  return tx.select().from(delivery).where(isAnyId(delivery.id, deliveryIds)).orderBy(asc(delivery.id)).for('update');
}

/** Stores the changed states of deliveries. */
export async function updateStates(tx: Transaction, rows: readonly Delivery[]): Promise<void> {
  if (rows.length === 0) return;
  const joined = joinById(
    delivery.id,
    rows.map((row) => ({
      id: row.id,
      status: row.status,
      next_attempt_at: row.nextAttemptAt,
      // Rows of the previous version have no endpoint.
      endpoint_id: endpointOf(row).id,
      running: row.running,
      failures: row.failures,
      round: row.round,
      accepted_turn: row.acceptedTurn,
    })),
    {
      id: 'uuid',
      status: 'text',
      next_attempt_at: 'timestamptz',
      endpoint_id: 'uuid',
      running: 'boolean',
      failures: 'integer',
      round: 'integer',
      accepted_turn: 'integer',
    },
  );
  await tx
    .update(delivery)
    .set({
      status: sql`input.status`,
      error: null,
      nextAttemptAt: sql`input.next_attempt_at`,
      endpointId: sql`input.endpoint_id`,
      running: sql`input.running`,
      failures: sql`input.failures`,
      round: sql`input.round`,
      acceptedTurn: sql`input.accepted_turn`,
      jobId: null,
    })
    .from(joined.from)
    .where(joined.isJoined);
}
