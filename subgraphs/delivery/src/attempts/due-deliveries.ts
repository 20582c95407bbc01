import type { Database } from '@voucher-gateway/platform/database';
import { asJson } from '@voucher-gateway/platform/database/rows';
import { sql } from 'drizzle-orm';
import { type Delivery, delivery, endpoint } from '../tables.ts';

/** The due deliveries of an endpoint. */
export interface DueDeliveries {
  endpointId: string;
  /** Number of due deliveries, up to a limit. */
  count: number;
  /** Fields of one of the due deliveries. */
  userId: string;
  url: string | null;
}

/** A page of endpoints with waiting deliveries, in the order of their ids. */
export interface DuePage {
  /** The endpoints of the page that have due deliveries. */
  due: DueDeliveries[];
  /** Ids of the disabled endpoints of the page. */
  disabled: string[];
  /** The last endpoint of the page; null if no page follows. */
  last: string | null;
}

/** The queues of waiting deliveries, one per endpoint. A waiting delivery is a row of the table `delivery`. */
export interface DeliveryQueues {
  /** Makes a delivery due again if its lease has ended without a result, because the process has died. */
  releaseExpired(): Promise<void>;
  /**
   * Reads the next endpoints with waiting deliveries. The cost depends on the number of endpoints, and not on the
   * number of deliveries.
   * @param after the last endpoint of the previous page; null for the first page
   */
  readDue(after: string | null): Promise<DuePage>;
  /**
   * Marks due deliveries as `running`, and returns them. Per endpoint it takes the deliveries with the earliest due
   * times, up to the endpoint's number in `counts`.
   */
  begin(counts: ReadonlyMap<string, number>): Promise<Delivery[]>;
  /**
   * Fails waiting deliveries of disabled endpoints, even if they are not due yet. Attempts in progress continue.
   * @returns number of failed deliveries; if it is `maxFailed`, there may be more
   */
  fail(disabled: readonly string[]): Promise<number>;
}

export interface DeliveryQueuesOptions {
  database: Database;
  /** Duration of a lease, in milliseconds: after this time an attempt has ended, or its process has died. */
  leaseMs: number;
  /** Endpoints per page. Default: 1,000. */
  pageSize?: number;
  /** Limit of `DueDeliveries.count`. Default: 32, so that one turn of the backlog starts few attempts per endpoint. */
  maxCount?: number;
}

/** Limit of deliveries that one call of `fail` fails. */
export const maxFailed = 500;
/** Limit of leases that one call of `releaseExpired` ends. */
const maxReleased = 500;

// The values are literals, not parameters. PostgreSQL uses a partial index only if the query contains the index's
// condition.
const isWaiting = sql`d.status = 'PENDING' and not d.running`;
const isInProgress = sql`d.status = 'PENDING' and d.running`;

export function createDeliveryQueues({
  database,
  leaseMs,
  pageSize = 1_000,
  maxCount = 32,
}: DeliveryQueuesOptions): DeliveryQueues {
  return {
    async releaseExpired() {
      const isExpired = sql`${isInProgress} and d.next_attempt_at <= ${new Date(database.now()).toISOString()}`;
      const { rows } = await database.query.execute<{ id: string }>(
        sql`select d.id from ${delivery} d where ${isExpired} limit ${maxReleased}`,
      );
      if (rows.length === 0) return;
      const ids = rows.map(({ id }) => id);
      // The condition is repeated here, because another process may have changed a row since it was selected above.
      await database.query.execute(
        sql`update ${delivery} d set running = false where ${isExpired} and d.id = any(${`{${ids.join(',')}}`}::uuid[])`,
      );
    },

    readDue: (after) => readPage(database, { after, pageSize, maxCount }),

    async begin(counts) {
      const wanted = [...counts].map(([endpoint_id, count]) => ({ endpoint_id, count }));
      const now = database.now();
      const due = sql`
        with due as materialized (
          select due.id
          from json_to_recordset(${asJson(wanted)}::json) as wanted (endpoint_id uuid, count integer)
          cross join lateral (
            select d.id from ${delivery} d
            where ${isWaiting} and d.endpoint_id = wanted.endpoint_id
              and d.next_attempt_at <= ${new Date(now).toISOString()}
            order by d.next_attempt_at limit wanted.count for update skip locked
          ) as due
        )
        select id from due`;
      return database.query
        .update(delivery)
        .set({
          running: true,
          turn: sql`${delivery.turn} + 1`,
          nextAttemptAt: new Date(now + leaseMs),
          jobId: null,
        })
        .where(sql`${delivery.id} = any(array(${due}))`)
        .returning();
    },

    async fail(disabled) {
      const pending = sql`
        select d.id from ${delivery} d
        where ${isWaiting} and ${isAnyEndpoint(disabled)}
        limit ${maxFailed} for update skip locked`;
      const failed = await database.query
        .update(delivery)
        .set({ status: 'FAILED', error: 'ENDPOINT_DISABLED', running: false, nextAttemptAt: null })
        .where(sql`${delivery.id} = any(array(${pending}))`)
        .returning({ id: delivery.id });
      return failed.length;
    },
  };
}

function isAnyEndpoint(ids: readonly string[]) {
  return sql`d.endpoint_id = any(${`{${ids.join(',')}}`}::uuid[])`;
}

/** See `DeliveryQueues.readDue`. */
async function readPage(
  database: Database,
  { after, pageSize, maxCount }: { after: string | null; pageSize: number; maxCount: number },
): Promise<DuePage> {
  const now = new Date(database.now()).toISOString();
  const isDue = sql`${isWaiting} and d.endpoint_id = queue.endpoint_id and d.next_attempt_at <= ${now}`;
  // Each step of the recursion finds the next endpoint by one look-up in the index.
  const { rows } = await database.query.execute<{
    endpointId: string;
    number: number;
    userId: string | null;
    url: string | null;
    count: number;
    isDisabled: boolean;
  }>(sql`
    with recursive queue (endpoint_id, number) as (
      (select d.endpoint_id, 1 from ${delivery} d
        where ${isWaiting} ${after === null ? sql`` : sql`and d.endpoint_id > ${after}`}
        order by d.endpoint_id limit 1)
      union all
      select (select d.endpoint_id from ${delivery} d where ${isWaiting} and d.endpoint_id > queue.endpoint_id
        order by d.endpoint_id limit 1), number + 1
      from queue where queue.endpoint_id is not null and number < ${pageSize}
    )
    select queue.endpoint_id as "endpointId", number, one.user_id as "userId", one.url,
      (select count(*)::int from (select from ${delivery} d where ${isDue} limit ${maxCount}) as due) as count,
      exists (
        select from ${endpoint} e where e.id = queue.endpoint_id and e.disabled_at is not null
      ) as "isDisabled"
    from queue
    left join lateral (
      select d.user_id, d.url from ${delivery} d where ${isDue} limit 1
    ) as one on true
    where queue.endpoint_id is not null
    order by number`);
  return {
    due: rows.flatMap(({ endpointId, userId, url, count, isDisabled }) =>
      userId === null || isDisabled ? [] : { endpointId, userId, url, count },
    ),
    disabled: rows.flatMap(({ endpointId, isDisabled }) => (isDisabled ? endpointId : [])),
    last: rows.length < pageSize ? null : (rows.at(-1)?.endpointId ?? null),
  };
}
