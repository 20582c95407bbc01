import { PGlite, types } from '@electric-sql/pglite';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/pglite';
import { type Clock, systemClock } from '../../async/clock.ts';
import type { Database, Queryable } from '../../database.ts';
import { CodedError } from '../../errors.ts';
import { applyMigrations } from '../migrate.ts';
import { createNestedUseGuard } from '../nested-use.ts';
import { withOutageCause } from '../outage.ts';
import { type DataDirectory, openDataDirectory } from './data-directory.ts';

/** Reads `int8` values as numbers. */
export const parsers = { [types.INT8]: (text: string) => Number(text) };

export interface PgliteOptions {
  /** Folder of the data. Default: none, the data is in memory. */
  dataDir?: string;
  /** A data folder that the caller has already locked. The caller unlocks the folder after disposing the database. */
  directory?: Pick<DataDirectory, 'databasePath'>;
  /** A dump to start from (`PGlite.dumpDataDir`), for tests. */
  template?: Blob;
  /** An open instance to use, for tests. It is closed with the database. */
  instance?: PGlite;
  /** The clock of `now`. Default: the machine's clock, which PGlite also uses. */
  clock?: Clock;
}

/** The embedded database, with PGlite's own interface, which pg-boss and dumps need. */
export interface PgliteDatabase extends Database {
  /** Throws NESTED_DATABASE_USE inside a transaction. */
  readonly client: PGlite;
}

/**
 * Opens PostgreSQL in this process, and locks `dataDir`. Data survives `kill -9`, but not a power cut: PGlite does not
 * fsync.
 *
 * @throws CodedError DATA_DIR_LOCKED, DATA_DIR_UNWRITABLE or DATA_DIR_CORRUPT, each naming DATA_DIR
 */
export async function openPglite({
  dataDir,
  directory,
  template,
  instance,
  clock = systemClock,
}: PgliteOptions = {}): Promise<PgliteDatabase> {
  await using releases = new AsyncDisposableStack();
  const owned = dataDir === undefined || directory ? undefined : releases.use(await openDataDirectory(dataDir));
  const pglite = instance ?? (await open((directory ?? owned)?.databasePath, template));
  releases.defer(() => pglite.close());
  const guard = createNestedUseGuard();
  const client = guarded(pglite, guard);
  const query = drizzle({ client }) as unknown as Queryable;
  const opened = releases.move();
  const database: PgliteDatabase = {
    client,
    get query() {
      guard.check();
      return query;
    },
    transaction: (work) => {
      guard.check();
      // When the callback runs, the transaction has begun. From then on, other use of the database would deadlock, so
      // `guard.run` is called inside the callback.
      return (drizzle({ client: pglite }) as unknown as Queryable)
        .transaction((tx) => guard.run(() => work(tx as Queryable)))
        .catch(rethrowOutage);
    },
    async listen(channel, onNotify) {
      const stop = await client.listen(channel, onNotify);
      return { [Symbol.asyncDispose]: async () => void (pglite.closed || (await stop())) };
    },
    now: () => clock.now(),
    migrate(migrations) {
      return database.transaction((tx) => applyMigrations(tx, migrations));
    },
    async ping() {
      if (pglite.closed) throw new CodedError('DATABASE_UNAVAILABLE', 'The database is closed.', { retryable: true });
      await query.execute(sql`select 1`);
      return 'ok';
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
  return database;
}

async function open(databasePath: string | undefined, template: Blob | undefined): Promise<PGlite> {
  try {
    return await PGlite.create({
      ...(databasePath !== undefined && { dataDir: databasePath }),
      ...(template && { loadDataDir: template }),
      parsers,
    });
  } catch (error) {
    if (databasePath === undefined) throw error;
    throw new CodedError(
      'DATA_DIR_CORRUPT',
      `DATA_DIR: the database in ${databasePath} can't be opened; its files look damaged. Restore the folder from a backup, or move it away to start empty.`,
      { cause: error },
    );
  }
}

function rethrowOutage(error: unknown): never {
  throw withOutageCause(error);
}

/** Guards the client: its methods throw inside a transaction. */
function guarded(pglite: PGlite, guard: ReturnType<typeof createNestedUseGuard>): PGlite {
  const checked = new Set<PropertyKey>(['query', 'sql', 'exec', 'transaction', 'listen', 'runExclusive']);
  return new Proxy(pglite, {
    get(target, property) {
      const value = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (checked.has(property)) guard.check();
        const result = value.apply(target, args);
        return result instanceof Promise ? result.catch(rethrowOutage) : result;
      };
    },
  });
}
