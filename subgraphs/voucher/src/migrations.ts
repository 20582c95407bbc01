import { fileURLToPath } from 'node:url';
import type { Migrations } from '@voucher-gateway/platform/database';

export const voucherMigrations: Migrations = {
  schema: 'voucher',
  folder: fileURLToPath(new URL('../migrations', import.meta.url)),
};
