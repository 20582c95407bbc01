import { fileURLToPath } from 'node:url';
import type { Migrations } from '@voucher-gateway/platform/database';

export const integrationMigrations: Migrations = {
  schema: 'integration',
  folder: fileURLToPath(new URL('../migrations', import.meta.url)),
};
