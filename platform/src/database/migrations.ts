import { fileURLToPath } from 'node:url';
import type { Migrations } from '../database.ts';

/** Migrations of the tables of `platform`, applied when the engines are opened. */
export const platformMigrations: Migrations = {
  schema: 'platform',
  folder: fileURLToPath(new URL('../../migrations', import.meta.url)),
};
