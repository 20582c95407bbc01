import type { Database, Transaction } from '@voucher-gateway/platform/database';
import { isAnyId, joinById, rowsOf } from '@voucher-gateway/platform/database/rows';
import { asc, eq, sql } from 'drizzle-orm';
import { endpointOf } from '../endpoints/endpoint.ts';
import type { PlannedDelivery } from '../plan-deliveries.ts';
import { type Attempt, attempt, type Delivery, delivery, endpoint } from '../tables.ts';
import type { FinishedAttempt } from './delivery-states.ts';

/** A planned delivery. With `begin`, the caller makes its first attempt at once. */
export type NewDelivery = PlannedDelivery & { begin: boolean };

/**
 * Stores planned deliveries. A delivery is stored as failed if its endpoint is disabled. Otherwise a delivery with
 * `begin` is stored as `running`. A delivery is skipped if its request already has one over the same channel.
 *
 * @returns the rows that were stored
 */
export function insertDeliveries(
  database: Pick<Database, 'query' | 'now'>,
  planned: readonly NewDelivery[],
  leaseMs: number,
): Promise<Delivery[]> {
  const nowMs = database.now();
  const rows = planned.map(({ begin, ...plan }) => ({
    ...plan,
    status: 'PENDING' as const,
    createdAt: new Date(nowMs),
    nextAttemptAt: new Date(begin ? nowMs + leaseMs : nowMs),
    endpointId: endpointOf(plan).id,
    turn: begin ? 1 : 0,
    running: begin,
    failures: 0,
    round: 0,
  }));
  return database.query
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
}

/** For a row that is being inserted (`input`): whether its endpoint is disabled. */
const isDisabled = sql`exists (
  select from ${endpoint} where ${endpoint.id} = input.endpoint_id and ${endpoint.disabledAt} is not null)`;

/** Returns a list with the row of an attempt. The list is empty if the result is not stored as an attempt. */
export function attemptRow({ deliveryId, turn, at, durationMs, result }: FinishedAttempt): Attempt[] {
  if (result.outcome === 'postponed' || result.outcome === 'unreported') return [];
  const { status = null, response = null } = 'response' in result ? result : {};
  const error = result.outcome === 'failed' ? result.error : null;
  return [{ deliveryId, turn, at: new Date(at), durationMs, status, error, response }];
}

export async function insertAttempts(tx: Transaction, rows: readonly Attempt[]): Promise<void> {
  if (rows.length === 0) return;
  await tx
    .insert(attempt)
    .select(rowsOf(attempt, rows))
    // If an SMS provider's report has already stored the attempt's result, that result stays.
    .onConflictDoUpdate({
      target: [attempt.deliveryId, attempt.turn],
      set: { at: sql`excluded.at`, durationMs: sql`excluded.duration_ms` },
    });
}

export async function isEndpointDisabled(tx: Transaction, id: string): Promise<boolean> {
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
      // The previous version inserts rows without their endpoint. So each update also sets the endpoint.
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
