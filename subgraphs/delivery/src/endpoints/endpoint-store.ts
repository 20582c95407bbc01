import { createBatcher } from '@voucher-gateway/platform/async/batcher';
import type { Database } from '@voucher-gateway/platform/database';
import { rowsOf } from '@voucher-gateway/platform/database/rows';
import type { Log } from '@voucher-gateway/platform/process/log';
import { desc, eq, sql } from 'drizzle-orm';
import type { SendResult } from '../attempt-result.ts';
import { type Delivery, type EndpointRow, endpoint } from '../tables.ts';
import { createDisabling } from './disabling.ts';
import { endpointOf } from './endpoint.ts';
import { readSigns } from './signs.ts';

/**
 * Stores the state of endpoints. An endpoint is failing from its first failed attempt until a success. It is disabled
 * when it has been failing for `disableAfterMs`. Then the owner's working endpoints get a notice. Until the owner
 * enables the endpoint, its pending deliveries fail (`due-deliveries.ts`), and new deliveries are stored as failed
 * (`delivery-store.ts`).
 */
export interface EndpointStore {
  /**
   * Receives the result of an attempt. The result is stored if it changes the endpoint's state, or if the last stored
   * result is old.
   */
  note(delivery: Pick<Delivery, 'userId' | 'url'>, result: SendResult): Promise<void>;
  /** Reads a user's endpoints: first those that are disabled or failing, then those that were used last. */
  readOwn(userId: string): Promise<EndpointRow[]>;
  /** Enables an endpoint, and sets its `failingSince` to null. Returns null if there is no such endpoint. */
  enable(endpointId: string): Promise<EndpointRow | null>;
}

export interface EndpointStoreOptions {
  database: Database;
  log: Log;
  /** Time of failing after which an endpoint is disabled, in milliseconds. With Infinity, no endpoint is disabled. */
  disableAfterMs: number;
}

/**
 * Minimum time between two equal results of an endpoint that are stored. If a tenth of `disableAfterMs` is shorter, the
 * tenth is used.
 */
const noteEveryMs = 60_000;
/**
 * A failure within this time after a stored success is not stored. So an endpoint that fails now and then causes few
 * SQL statements.
 */
const successHoldsMs = 1_000;
/**
 * Limit of endpoints whose last stored result is remembered. A result that is the same as the remembered one need not
 * be stored.
 */
const maxRemembered = 10_000;
/** Limit of the endpoints that a user can see. */
const maxListed = 100;

export function createEndpointStore({ database, log, disableAfterMs }: EndpointStoreOptions): EndpointStore {
  const remembered = new Map<string, { isFailing: boolean; at: number }>();
  const everyMs = Math.min(noteEveryMs, disableAfterMs / 10);
  const disableIfOverdue = createDisabling({ database, log, disableAfterMs });

  const write = createBatcher<typeof endpoint.$inferInsert, void>({
    async run(notes) {
      // The last result of each endpoint is stored, in id order, so that two statements can not deadlock.
      const last = [...new Map(notes.map((note) => [note.id, note])).values()];
      const rows = await database.query
        .insert(endpoint)
        .select(
          rowsOf(
            endpoint,
            last.toSorted((one, other) => (one.id < other.id ? -1 : 1)),
          ),
        )
        .onConflictDoUpdate({
          target: endpoint.id,
          set: {
            url: sql`excluded.url`,
            usedAt: sql`excluded.used_at`,
            lastSuccessAt: sql`coalesce(excluded.last_success_at, ${endpoint.lastSuccessAt})`,
            lastFailureAt: sql`coalesce(excluded.last_failure_at, ${endpoint.lastFailureAt})`,
            // A disabled endpoint keeps `failingSince`, even if an attempt that started earlier succeeds now.
            failingSince: sql`case when excluded.failing_since is not null or ${endpoint.disabledAt} is not null
              then coalesce(${endpoint.failingSince}, excluded.failing_since) end`,
          },
        })
        .returning();
      for (const row of rows) await disableIfOverdue(row);
      return [];
    },
  });

  return {
    async note({ userId, url }, result) {
      const isFailing = result.outcome === 'failed';
      if (url === null || !isAbout(result)) return;
      const { id, origin } = endpointOf({ userId, url });
      const now = database.now();
      const previous = remembered.get(id);
      const isKnown = previous?.isFailing === isFailing && now - previous.at < everyMs;
      const isTooSoon = isFailing && previous?.isFailing === false && now - previous.at < successHoldsMs;
      if (isKnown || isTooSoon) return;
      remembered.delete(id);
      if (remembered.size >= maxRemembered) remembered.delete(remembered.keys().next().value ?? id);
      remembered.set(id, { isFailing, at: now });
      const at = new Date(now);
      const row = { id, userId, origin: origin ?? url, url, usedAt: at };
      try {
        await write(isFailing ? { ...row, lastFailureAt: at, failingSince: at } : { ...row, lastSuccessAt: at });
      } catch (error) {
        remembered.delete(id);
        throw error;
      }
    },
    readOwn: (userId) =>
      database.query
        .select()
        .from(endpoint)
        .where(eq(endpoint.userId, userId))
        .orderBy(
          sql`${endpoint.disabledAt} is null`,
          sql`${endpoint.failingSince} is null`,
          desc(endpoint.usedAt),
          endpoint.id,
        )
        .limit(maxListed),
    async enable(endpointId) {
      remembered.delete(endpointId);
      const [row] = await database.query
        .update(endpoint)
        .set({ disabledAt: null, failingSince: null })
        .where(eq(endpoint.id, endpointId))
        .returning();
      return row ?? null;
    },
  };
}

/** Whether a result is evidence about the state of the endpoint. An attempt that sent nothing is no evidence. */
function isAbout(result: SendResult): boolean {
  return readSigns(result).isBroken !== null;
}
