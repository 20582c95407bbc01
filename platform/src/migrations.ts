import { fileURLToPath } from 'node:url';
import type { Migrations } from './database.ts';

/** The embedded ports' tables. Applied by whoever opens the embedded engines. */
export const platformMigrations: Migrations = {
  schema: 'platform',
  folder: fileURLToPath(new URL('../migrations', import.meta.url)),
};
