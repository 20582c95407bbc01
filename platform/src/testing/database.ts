import { readFile } from 'node:fs/promises';
import { inject } from 'vitest';
import type { Clock } from '../async/clock.ts';
import { openPglite, type PgliteDatabase } from '../database/embedded/pglite.ts';
import type { Migrations } from '../database.ts';
import { createReusableDatabases } from './reusable-databases.ts';

// The databases are shared within a test file, because opening one takes longer than most tests.
const reusable = createReusableDatabases(template);

/**
 * Opens an empty database with these migrations, in memory or in `dataDir`. Use it with `await using`. After disposal,
 * a database in memory is emptied and reused by the next test of the file.
 */
export async function openTestDatabase(
  options: { migrations?: Migrations[]; clock?: Clock; dataDir?: string } = {},
): Promise<PgliteDatabase> {
  const { migrations = [], clock, dataDir } = options;
  if (dataDir === undefined) return openPglite({ instance: await reusable.take(migrations), clock });
  const database = await openPglite({ template: await template(), clock, dataDir });
  for (const each of migrations) await database.migrate(each);
  return database;
}

async function template(): Promise<Blob> {
  return new Blob([await readFile(inject('emptyDatabase'))]);
}
