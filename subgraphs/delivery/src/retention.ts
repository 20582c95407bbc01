import { deleteFrom, type Retention } from '@voucher-gateway/platform/database/housekeeping';
import { isAnyParked } from '@voucher-gateway/platform/topics/parked-messages';
import { lt, sql } from 'drizzle-orm';
import type { DeliveryConfig } from './config.ts';
import { group } from './consumers.ts';
import { attempt, callbackSecret, delivery, endpoint, requestTarget } from './tables.ts';

/** The rules by which old rows are deleted. Pending deliveries, and secrets that still sign, are never deleted. */
export function deliveryRetentions(config: Pick<DeliveryConfig, 'DELIVERY_RETENTION'>): Retention[] {
  const keepMs = config.DELIVERY_RETENTION;
  return [
    { name: 'deliveries that have ended', keepMs, deleteSome: deleteDeliveries },
    { name: 'callback URLs of requests', keepMs, deleteSome: deleteTargets },
    { name: 'unused endpoints', keepMs, deleteSome: deleteFrom(endpoint, endpoint.usedAt) },
    {
      name: 'replaced callback secrets',
      keepMs: 0,
      deleteSome: deleteFrom(callbackSecret, callbackSecret.signsUntil),
    },
  ];
}

/** Deletes deliveries with their attempts. The age of a redelivered delivery is counted from its last attempt. */
const deleteDeliveries: Retention['deleteSome'] = async (query, { before, limit }) => {
  const lastAttemptAt = sql`(select max(${attempt.at}) from ${attempt} where ${attempt.deliveryId} = ${delivery.id})`;
  const { rows } = await query.execute<{ count: number }>(sql`
    with ended as materialized (
      select id from ${delivery}
      where ${lt(delivery.createdAt, before)} and ${delivery.status} in ('DELIVERED', 'FAILED', 'SIMULATED')
        and coalesce(${lastAttemptAt}, ${delivery.createdAt}) < ${before.toISOString()}
      order by ${delivery.createdAt} limit ${limit} for update skip locked
    ),
    attempts as (delete from ${attempt} where ${attempt.deliveryId} in (select id from ended)),
    deleted as (delete from ${delivery} where ${delivery.id} in (select id from ended) returning 1)
    select count(*)::int as count from deleted`);
  return rows[0]?.count ?? 0;
};

const deleteOldTargets = deleteFrom(requestTarget, requestTarget.createdAt);

/** Deletes nothing while any outcome is parked for a retry, because the retry reads the callbackUrl. */
const deleteTargets: Retention['deleteSome'] = async (query, options) =>
  (await isAnyParked(query, group)) ? 0 : deleteOldTargets(query, options);
