import { readFile } from 'node:fs/promises';
import { inject } from 'vitest';
import type { Clock } from '../clock.ts';
import { openPglite, type PgliteDatabase } from '../database/pglite.ts';
import type { Migrations } from '../database.ts';

/** An empty database of one's own, in memory, with the migrations given. Use it with `await using`. */
export async function openTestDatabase(
  options: { migrations?: Migrations[]; clock?: Clock; dataDir?: string } = {},
): Promise<PgliteDatabase> {
  const template = new Blob([await readFile(inject('emptyDatabase'))]);
  const database = await openPglite({ template, clock: options.clock, dataDir: options.dataDir });
  for (const migrations of options.migrations ?? []) await database.migrate(migrations);
  return database;
}
