import type { Transaction } from '@voucher-gateway/platform/database';
import { sql } from 'drizzle-orm';
import { attempt } from '../tables.ts';

/** Limit of the attempts of a delivery that a user sees. Only the last attempts are shown. */
export const maxAttempts = 100;

/**
 * Deletes old attempts of restarted deliveries. The last `maxAttempts` attempts of each delivery are kept. Only
 * restarts can lead to an unlimited number of attempts.
 */
export async function deleteOldAttempts(tx: Transaction, deliveryIds: readonly string[]): Promise<void> {
  await tx.execute(sql`
    delete from ${attempt} where (${attempt.deliveryId}, ${attempt.turn}) in (
      select old.delivery_id, old.turn from unnest(${`{${deliveryIds.join(',')}}`}::uuid[]) as restarted (id)
      cross join lateral (
        select a.delivery_id, a.turn from ${attempt} a where a.delivery_id = restarted.id
        order by a.turn desc offset ${maxAttempts}
      ) as old)`);
}
