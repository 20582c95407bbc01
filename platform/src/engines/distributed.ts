import { platformMigrations } from '../database/migrations.ts';
import { answerLateMs, openPostgres, type PostgresDatabase } from '../database/postgres/postgres.ts';
import { untilWritable } from '../database/postgres/writable.ts';
import { createJobs } from '../jobs/pg-boss.ts';
import type { Log } from '../process/log.ts';
import { createStopStage, stopLimits } from '../process/stop-stage.ts';
import type { ConsumerLimits } from '../topics/consumer-limits.ts';
import type { Engines } from './embedded.ts';
import { openTopics } from './kafka-and-redis.ts';
import type { DatabaseConfig, TopicsConfig } from './settings.ts';

/** Opens PostgreSQL and creates the tables of the adapters. `stopping`: see `PostgresOptions`. */
export async function openDatabase(
  config: DatabaseConfig,
  log: Log,
  stopping?: AbortSignal,
): Promise<PostgresDatabase> {
  await using releases = new AsyncDisposableStack();
  const database = releases.use(
    await openPostgres({
      url: config.DATABASE_URL,
      poolSize: config.DATABASE_POOL,
      statementTimeoutMs: config.STATEMENT_TIMEOUT,
      stopping,
      log,
    }),
  );
  await database.migrate(platformMigrations);
  releases.move();
  return database;
}

export interface DistributedOptions {
  /** Aborts when the process begins to stop. */
  stopping: AbortSignal;
  limits?: Partial<ConsumerLimits>;
}

/**
 * Opens the engines of a service with a database: PostgreSQL, and Kafka with its outbox in the database. Waits while
 * the database is read-only.
 *
 * @throws CodedError DATABASE_UNAVAILABLE, TOPICS_UNAVAILABLE, naming the setting
 */
export async function openDistributedEngines(
  config: DatabaseConfig & TopicsConfig,
  log: Log,
  { stopping, limits }: DistributedOptions,
): Promise<Pick<Engines, 'topics'> & { database: PostgresDatabase } & AsyncDisposable> {
  await using releases = new AsyncDisposableStack();
  await untilWritable(config.DATABASE_URL, log);
  const database = releases.use(await openDatabase(config, log, stopping));
  const topics = releases.use(await openTopics(config, { log, database, limits }));
  const stage = createStopStage({ withinMs: stopLimits.enginesMs, log });
  stage.use(releases.move());
  return { database, topics, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() };
}

/** Like `openDistributedEngines`, plus jobs, which need additional tables, connections and polls. */
export async function openDistributedEnginesWithJobs(
  config: DatabaseConfig & TopicsConfig,
  log: Log,
  options: DistributedOptions,
): Promise<Omit<Engines, 'keyValue'>> {
  await using releases = new AsyncDisposableStack();
  const engines = releases.use(await openDistributedEngines(config, log, options));
  const jobs = releases.use(
    await createJobs({
      database: {
        url: config.DATABASE_URL,
        queryTimeoutMs: config.STATEMENT_TIMEOUT + answerLateMs,
        abandoned: engines.database.abandoned,
      },
      log,
    }),
  );
  const stage = createStopStage({ withinMs: stopLimits.enginesMs, log });
  stage.use(releases.move());
  return { ...engines, jobs, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() };
}
