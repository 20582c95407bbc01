import { fileURLToPath } from 'node:url';
import type { Migrations } from '@voucher-gateway/platform/database';

export const deliveryMigrations: Migrations = {
  schema: 'delivery',
  folder: fileURLToPath(new URL('../migrations', import.meta.url)),
};
