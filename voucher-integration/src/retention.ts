import { deleteFrom, type Retention } from '@voucher-gateway/platform/database/housekeeping';
import { sql } from 'drizzle-orm';
import type { IntegrationConfig } from './config.ts';
import { providerRequest as table } from './tables.ts';

/**
 * Returns the rules by which voucher-integration deletes old rows. WAITING requests and requests with an unclaimed code
 * are kept.
 */
export function integrationRetentions(config: Pick<IntegrationConfig, 'PROVIDER_REQUEST_RETENTION'>): Retention[] {
  return [
    {
      name: 'provider requests that have ended',
      keepMs: config.PROVIDER_REQUEST_RETENTION,
      deleteSome: deleteFrom(
        table,
        table.requestedAt,
        sql`${table.status} in ('SETTLED', 'FAILED') and ${table.unclaimedCode} is null`,
      ),
    },
  ];
}
