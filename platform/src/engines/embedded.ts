import { fromPglite } from 'pg-boss';
import type { Clock } from '../async/clock.ts';
import { openPglite, type PgliteDatabase, type PgliteOptions } from '../database/embedded/pglite.ts';
import { platformMigrations } from '../database/migrations.ts';
import type { Database } from '../database.ts';
import { createJobs } from '../jobs/pg-boss.ts';
import type { Jobs } from '../jobs.ts';
import { createEmbeddedKeyValue } from '../key-value/embedded.ts';
import type { KeyValue } from '../key-value.ts';
import type { Log } from '../process/log.ts';
import type { ConsumerLimits } from '../topics/consumer-limits.ts';
import { createEmbeddedTopics } from '../topics/embedded/topics.ts';
import type { Topics } from '../topics.ts';

export interface Engines extends AsyncDisposable {
  database: Database;
  topics: Topics;
  keyValue: KeyValue;
  jobs: Jobs;
}

export interface EmbeddedOptions {
  clock: Clock;
  log: Log;
  /** Default: `defaultConsumerLimits`. */
  limits?: Partial<ConsumerLimits>;
}

/**
 * Opens database, topics, key-value store and jobs, which share one PGlite database in this process.
 *
 * @throws CodedError DATA_DIR_LOCKED, DATA_DIR_UNWRITABLE, DATA_DIR_CORRUPT
 */
export async function openEmbeddedEngines({
  dataDir,
  directory,
  ...options
}: EmbeddedOptions & Pick<PgliteOptions, 'directory'> & { dataDir: string }): Promise<Engines> {
  return embeddedEnginesOn(await openPglite({ dataDir, directory, clock: options.clock }), options);
}

/**
 * Creates the engines on an open database. The database is disposed with the engines, and also if their creation fails.
 */
export async function embeddedEnginesOn(
  database: PgliteDatabase,
  { clock, log, limits }: EmbeddedOptions,
): Promise<Engines & { database: PgliteDatabase }> {
  await using releases = new AsyncDisposableStack();
  const stores = releases.use(await embeddedStoresOn(database, { clock, log, limits }));
  const jobs = releases.use(await createJobs({ database: { embedded: fromPglite(database.client) }, log }));
  const owned = releases.move();
  return { ...stores, jobs, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Like `embeddedEnginesOn` without the jobs, which are slow to open. */
export async function embeddedStoresOn(
  database: PgliteDatabase,
  { clock, log, limits }: EmbeddedOptions,
): Promise<Omit<Engines, 'jobs'> & { database: PgliteDatabase }> {
  await using releases = new AsyncDisposableStack();
  releases.use(database);
  await database.migrate(platformMigrations);
  const keyValue = releases.use(createEmbeddedKeyValue({ database, clock, log }));
  const topics = releases.use(await createEmbeddedTopics({ database, clock, log, limits }));
  const owned = releases.move();
  return { database, topics, keyValue, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
