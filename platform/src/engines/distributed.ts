import { platformMigrations } from '../database/migrations.ts';
import { answerLateMs, openPostgres, type PostgresDatabase } from '../database/postgres.ts';
import { untilWritable } from '../database/postgres-writable.ts';
import { createJobs } from '../jobs/pg-boss.ts';
import { createRedisKeyValue } from '../key-value/redis.ts';
import type { KeyValue } from '../key-value.ts';
import type { Log } from '../process/log.ts';
import { createStopStage, stopLimits } from '../process/stop-stage.ts';
import type { ConsumerLimits } from '../topics/consumer-limits.ts';
import type { ReadDeadLetters } from '../topics/dead-letter-reader.ts';
import type { KafkaOptions } from '../topics/kafka/client.ts';
import { kafkaDeadLetters } from '../topics/kafka/dead-letter-reader.ts';
import { type Reread, rereadTopics } from '../topics/kafka/reread.ts';
import { createKafkaTopics, type KafkaTopicsOptions } from '../topics/kafka/topics.ts';
import type { Topics } from '../topics.ts';
import type { Engines } from './embedded.ts';
import type { DatabaseConfig, KeyValueConfig, TopicsConfig } from './settings.ts';

const clientId = 'voucher-gateway';

function kafkaOptions(config: TopicsConfig, log: Log): KafkaOptions & { log: Log } {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_USERNAME: username = '', KAFKA_PASSWORD: password = '' } = config;
  return {
    brokers: config.KAFKA_BROKERS,
    clientId,
    prefix: config.KAFKA_PREFIX,
    tls: config.KAFKA_TLS ?? false,
    ...(mechanism !== 'none' && { sasl: { mechanism, username, password } }),
    partitions: config.KAFKA_PARTITIONS,
    replication: config.KAFKA_REPLICATION,
    retentionMs: config.KAFKA_RETENTION,
    log,
  };
}

/** Returns the reader of the dead-letter topics on Kafka. */
export function openDeadLetters(config: TopicsConfig, log: Log): ReadDeadLetters {
  return kafkaDeadLetters(kafkaOptions(config, log));
}

/** Returns the function that restarts groups at the beginning of their topics (`rereadTopics`). */
export function openReread(config: TopicsConfig, log: Log): (groups: readonly string[]) => Promise<Reread> {
  return (groups) => rereadTopics(kafkaOptions(config, log), groups);
}

/** Opens topics on Kafka, with the outbox in `database`. */
export function openTopics(
  config: TopicsConfig,
  { log, database, limits }: Pick<KafkaTopicsOptions, 'log' | 'database' | 'limits'>,
): Promise<Topics> {
  return createKafkaTopics({
    ...kafkaOptions(config, log),
    database,
    limits: { joinWithinMs: config.JOIN_WITHIN, ...limits },
  });
}

/** Opens the key-value store on Redis. */
export function openKeyValue(config: KeyValueConfig, log: Log): Promise<KeyValue> {
  return createRedisKeyValue({ url: config.REDIS_URL, log });
}

/** Opens PostgreSQL, with the ports' tables. `stopping` as in `PostgresOptions`. */
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

/**
 * Opens the engines of a service with a database: PostgreSQL, Kafka with its outbox there, and jobs. Waits while the
 * database is read-only.
 *
 * @param limits limits of its consumers
 * @param stopping aborts when the process begins to stop
 * @throws CodedError DATABASE_UNAVAILABLE, TOPICS_UNAVAILABLE, naming the setting
 */
export async function openDistributedEngines(
  config: DatabaseConfig & TopicsConfig,
  log: Log,
  { stopping, limits }: { stopping: AbortSignal; limits?: Partial<ConsumerLimits> },
): Promise<Omit<Engines, 'keyValue'>> {
  await using releases = new AsyncDisposableStack();
  await untilWritable(config.DATABASE_URL, log);
  const database = releases.use(await openDatabase(config, log, stopping));
  const jobs = releases.use(
    await createJobs({
      database: {
        url: config.DATABASE_URL,
        queryTimeoutMs: config.STATEMENT_TIMEOUT + answerLateMs,
        abandoned: database.abandoned,
      },
      log,
    }),
  );
  const topics = releases.use(await openTopics(config, { log, database, limits }));
  const stage = createStopStage({ withinMs: stopLimits.enginesMs, log });
  stage.use(releases.move());
  return { database, topics, jobs, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() };
}
