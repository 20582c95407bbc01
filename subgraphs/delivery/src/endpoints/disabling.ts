import type { Database, Queryable, Transaction } from '@voucher-gateway/platform/database';
import { rowsOf } from '@voucher-gateway/platform/database/rows';
import type { Log } from '@voucher-gateway/platform/process/log';
import { and, desc, eq, isNotNull, isNull, lte, ne } from 'drizzle-orm';
import { delivery, type EndpointRow, endpoint } from '../tables.ts';
import { planNotices } from './notices.ts';

/** Limit of notices per disabled endpoint. Each notice is sent to another endpoint of the same owner. */
export const maxNotified = 10;

/**
 * Returns a function that disables an endpoint if the endpoint has been failing for `disableAfterMs`. The function also
 * stores notices to other endpoints of the same owner.
 *
 * @param options.disableAfterMs with Infinity, no endpoint is disabled
 */
export function createDisabling({
  database,
  log,
  disableAfterMs,
}: {
  database: Database;
  log: Log;
  disableAfterMs: number;
}): (row: EndpointRow) => Promise<void> {
  return async ({ id, userId, failingSince, disabledAt }) => {
    if (disabledAt !== null || failingSince === null || disableAfterMs === Number.POSITIVE_INFINITY) return;
    const before = new Date(database.now() - disableAfterMs);
    if (failingSince > before) return;
    const notices = await database.transaction((tx) => disable(tx, id, { before, now: new Date(database.now()) }));
    if (notices === null) return;
    const fields = { endpointId: id, userId, failingSince, notices };
    log.warn(fields, 'an endpoint was disabled: its deliveries fail until its owner enables it');
  };
}

/**
 * Disables an endpoint whose `failingSince` is `before` or earlier, and returns the number of notices. Returns null,
 * and changes nothing, if `failingSince` is later, or if the endpoint is already disabled.
 */
async function disable(tx: Transaction, id: string, { before, now }: { before: Date; now: Date }) {
  const [row] = await tx
    .update(endpoint)
    .set({ disabledAt: now })
    .where(and(eq(endpoint.id, id), isNull(endpoint.disabledAt), lte(endpoint.failingSince, before)))
    .returning();
  if (!row) return null;
  const notices = planNotices(row, await readWorking(tx, row), now);
  if (notices.length > 0) await tx.insert(delivery).select(rowsOf(delivery, notices));
  return notices.length;
}

/** Reads the owner's other endpoints whose last attempt was a success, most recently used first. */
function readWorking(query: Queryable, { id, userId }: EndpointRow): Promise<EndpointRow[]> {
  return query
    .select()
    .from(endpoint)
    .where(
      and(
        eq(endpoint.userId, userId),
        ne(endpoint.id, id),
        isNull(endpoint.disabledAt),
        isNull(endpoint.failingSince),
        isNotNull(endpoint.lastSuccessAt),
      ),
    )
    .orderBy(desc(endpoint.usedAt))
    .limit(maxNotified);
}
