import { createBatcher } from '@voucher-gateway/platform/async/batcher';
import type { Database, Transaction } from '@voucher-gateway/platform/database';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { Delivery } from '../tables.ts';
import {
  attemptRow,
  insertAttempts,
  insertDeliveries,
  isEndpointDisabled,
  lockRows,
  type NewDelivery,
  updateStates,
} from './delivery-rows.ts';
import { changesAfter, type FinishedAttempt, restart } from './delivery-states.ts';
import { deleteOldAttempts } from './old-attempts.ts';

/**
 * The deliveries and their attempts.
 *
 * A delivery is PENDING until a receiver has accepted it (DELIVERED), or until it is no longer retried (FAILED). In
 * development (`SMS=log`), an SMS is not sent, and becomes SIMULATED. A PENDING delivery has a time, `nextAttemptAt`.
 * The meaning of this time depends on the delivery's state:
 *
 * - not `running`: the next attempt is due at this time.
 * - `running`: an attempt is in progress, and its lease ends at this time. If no result is stored by then, the process
 *   has died, and the next attempt is due.
 * - accepted (`acceptedTurn` is set): an SMS provider has accepted the SMS, and its report ends the delivery
 *   (`reports.ts`). If there is no report by this time, the acceptance counts as delivery.
 *
 * `due-deliveries.ts` ends expired leases and finds due deliveries. To start an attempt, it sets `nextAttemptAt` to the
 * end of a lease, and skips rows that another process has locked. So a delivery never has two attempts at the same
 * time, in any number of processes. If a process dies, the end of the lease makes its deliveries due again.
 */
export interface DeliveryStore {
  /**
   * Stores planned deliveries. A delivery to a disabled endpoint is stored as failed. A delivery is skipped if the
   * request already has one over the same channel.
   * @param planned a delivery with `begin` is stored as `running`, because the caller makes its first attempt at once
   * @returns the deliveries that were stored
   */
  record(planned: readonly NewDelivery[]): Promise<Delivery[]>;
  /** Stores an attempt, and the next state of its delivery. Returns the delivery. */
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
  /** Stores attempts, and the next states of their deliveries. Returns the deliveries. */
  const settleAll = async (tx: Transaction, attempts: readonly FinishedAttempt[]): Promise<Delivery[]> => {
    const before = await lockRows(
      tx,
      attempts.map(({ deliveryId }) => deliveryId),
    );
    const after = new Map(before.map((row) => [row.id, row]));
    const results = attempts.map((each) => {
      const row = after.get(each.deliveryId);
      if (!row) throw new Error('a delivery was deleted during its attempt');
      const changed = { ...row, ...changesAfter(row, each, { schedule, maxRetryAfterMs, nowMs: database.now() }) };
      after.set(row.id, changed);
      return changed;
    });
    await insertAttempts(tx, attempts.flatMap(attemptRow));
    await updateStates(
      tx,
      before.flatMap((row) => {
        const changed = after.get(row.id);
        return changed && (changed.nextAttemptAt !== row.nextAttemptAt || changed.status !== row.status) ? changed : [];
      }),
    );
    return results;
  };

  return {
    record: createBatcher({
      async run(calls: readonly (readonly NewDelivery[])[]) {
        const stored = await insertDeliveries(database, calls.flat(), leaseMs);
        const byId = new Map(stored.map((row) => [row.id, row]));
        return calls.map((planned) => planned.flatMap(({ id }) => byId.get(id) ?? []));
      },
    }),

    settle: createBatcher({
      run: (attempts: readonly FinishedAttempt[]) => database.transaction((tx) => settleAll(tx, attempts)),
    }),

    redeliver: (deliveryId, userId) =>
      database.transaction(async (tx) => {
        const [row] = await lockRows(tx, [deliveryId]);
        if (row?.userId !== userId) return null;
        if (row.running) return row;
        if (await isEndpointDisabled(tx, row.endpointId))
          throw new CodedError<PublicErrorCode>('ENDPOINT_DISABLED', 'Its endpoint is disabled; enable it first.');
        const restarted = restart(row, database.now());
        await updateStates(tx, [restarted]);
        await deleteOldAttempts(tx, [row.id]);
        return restarted;
      }),
  };
}
