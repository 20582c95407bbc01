import { fileURLToPath } from 'node:url';
import type { Migrations } from '@voucher-gateway/platform/database';

export const userMigrations: Migrations = {
  schema: 'users',
  folder: fileURLToPath(new URL('../migrations', import.meta.url)),
};
