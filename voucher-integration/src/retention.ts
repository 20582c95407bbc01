import { deleteFrom, type Retention } from '@voucher-gateway/platform/database/housekeeping';
import { sql } from 'drizzle-orm';
import type { IntegrationConfig } from './config.ts';
import { providerRequest as table } from './tables.ts';

/** The rows that voucher-integration deletes: never a WAITING request, nor one with an unclaimed code. */
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
