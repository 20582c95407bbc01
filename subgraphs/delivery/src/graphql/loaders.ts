import type { Database } from '@voucher-gateway/platform/database';
import { isUuid } from '@voucher-gateway/platform/database/columns';
import { isAnyId } from '@voucher-gateway/platform/database/rows';
import DataLoader from 'dataloader';
import { and, asc, desc, eq, getTableColumns, inArray, lte, sql } from 'drizzle-orm';
import { maxNotified } from '../endpoints/disabling.ts';
import { type Attempt, attempt, type Delivery, delivery } from '../tables.ts';

/** A delivery, and how many of its last attempts to read. */
interface LastAttempts {
  deliveryId: string;
  count: number;
}

/**
 * The DataLoaders of one GraphQL request. They load only rows of the caller. For an unknown id they return [] or null.
 */
export interface DeliveryLoaders {
  byVoucher: DataLoader<string, Delivery[]>;
  byRequest: DataLoader<string, Delivery[]>;
  byId: DataLoader<string, Delivery | null>;
  /** The last notices about an endpoint, newest first. */
  notices: DataLoader<string, Delivery[]>;
  /** The last attempts of a delivery, oldest first. */
  attempts: DataLoader<LastAttempts, Attempt[], string>;
}

export function createDeliveryLoaders(database: Database, userId: string): DeliveryLoaders {
  const ownBy = async (
    column: typeof delivery.id | typeof delivery.voucherId | typeof delivery.requestId,
    ids: readonly string[],
  ) => {
    const valid = ids.filter(isUuid);
    if (valid.length === 0) return [];
    return database.query
      .select()
      .from(delivery)
      .where(and(inArray(column, valid), eq(delivery.userId, userId)))
      .orderBy(asc(delivery.createdAt), asc(delivery.channel));
  };
  const same = (a: string | null, b: string) => a === b.toLowerCase();
  return {
    byVoucher: new DataLoader(async (ids) => {
      const rows = await ownBy(delivery.voucherId, ids);
      return ids.map((id) => rows.filter((row) => same(row.voucherId, id)));
    }),
    byRequest: new DataLoader(async (ids) => {
      const rows = await ownBy(delivery.requestId, ids);
      return ids.map((id) => rows.filter((row) => same(row.requestId, id)));
    }),
    byId: new DataLoader(async (ids) => {
      const rows = await ownBy(delivery.id, ids);
      return ids.map((id) => rows.find((row) => same(row.id, id)) ?? null);
    }),
    notices: new DataLoader(async (endpointIds) => {
      const number = sql<number>`row_number() over (partition by ${delivery.noticeOf}
        order by ${delivery.createdAt} desc, ${delivery.id})`.as('number');
      const numbered = database.query
        .select({ id: delivery.id, number })
        .from(delivery)
        .where(and(isAnyId(delivery.noticeOf, endpointIds), eq(delivery.userId, userId)))
        .as('numbered');
      const rows = await database.query
        .select(getTableColumns(delivery))
        .from(delivery)
        .innerJoin(numbered, eq(numbered.id, delivery.id))
        .where(lte(numbered.number, maxNotified))
        .orderBy(numbered.number);
      return endpointIds.map((id) => rows.filter(({ noticeOf }) => noticeOf === id));
    }),
    attempts: new DataLoader((wanted) => readLastAttempts(database, wanted), {
      cacheKeyFn: ({ deliveryId, count }) => `${deliveryId} ${count}`,
    }),
  };
}

/** Reads the attempts of several deliveries in one statement. */
async function readLastAttempts({ query }: Database, wanted: readonly LastAttempts[]): Promise<Attempt[][]> {
  const last = query
    .select()
    .from(attempt)
    .where(eq(attempt.deliveryId, delivery.id))
    .orderBy(desc(attempt.turn))
    .limit(Math.max(...wanted.map(({ count }) => count)))
    .as('last');
  const { deliveryId, turn, at, status, durationMs, error, response } = last;
  const rows = await query
    .select({ deliveryId, turn, at, status, durationMs, error, response })
    .from(delivery)
    .crossJoinLateral(last)
    .where(
      isAnyId(
        delivery.id,
        wanted.map((each) => each.deliveryId),
      ),
    )
    .orderBy(asc(turn));
  return wanted.map((each) => {
    const own = rows.filter((row) => row.deliveryId === each.deliveryId);
    return own.slice(Math.max(0, own.length - each.count));
  });
}
