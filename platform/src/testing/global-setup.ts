import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { TestProject } from 'vitest/node';
import { systemClock } from '../async/clock.ts';
import { openPglite } from '../database/embedded/pglite.ts';
import { embeddedEnginesOn } from '../engines/embedded.ts';
import { silentLog } from '../process/log.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /**
     * A file with a dump of a database that has only the tables of the adapters. Opening the dump is six times faster
     * than creating these tables.
     */
    emptyDatabase: string;
    /** The same database as a folder for `DATA_DIR`. Tests copy the folder. */
    emptyDataDirectory: string;
  }
}

export default async function setup(project: TestProject) {
  // This process opens PostgreSQL only once. V8's optimization of PostgreSQL's WebAssembly would take longer than it
  // saves.
  setFlagsFromString('--liftoff-only');
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-test-'));
  const file = join(folder, 'empty-database.tar');
  const directory = join(folder, 'empty-data');
  const database = await openPglite({ dataDir: directory });
  await (
    await embeddedEnginesOn(
      { ...database, [Symbol.asyncDispose]: async () => {} },
      { clock: systemClock, log: silentLog },
    )
  )[Symbol.asyncDispose]();
  const dump = await database.client.dumpDataDir('none');
  await writeFile(file, Buffer.from(await dump.arrayBuffer()));
  await database[Symbol.asyncDispose]();
  project.provide('emptyDatabase', file);
  project.provide('emptyDataDirectory', directory);
  return () => rm(folder, { recursive: true, force: true });
}
