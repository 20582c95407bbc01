import { fileURLToPath } from 'node:url';
import type { Migrations } from './database.ts';

/** The ports' own tables. Applied by whoever opens the engines. */
export const platformMigrations: Migrations = {
  schema: 'platform',
  folder: fileURLToPath(new URL('../migrations', import.meta.url)),
};
