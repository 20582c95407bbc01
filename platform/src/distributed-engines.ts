import { z } from 'zod';
import { duration, integer, isHostAndPort, oneOf, optionalFlag } from './config.ts';
import { answerLateMs, openPostgres, type PostgresDatabase } from './database/postgres.ts';
import type { Engines } from './embedded-engines.ts';
import { createJobs } from './jobs/pg-boss.ts';
import { createRedisKeyValue, isRedisUrl } from './key-value/redis.ts';
import type { KeyValue } from './key-value.ts';
import type { Log } from './log.ts';
import { platformMigrations } from './migrations.ts';
import type { ConsumerLimits } from './topics/consumer-limits.ts';
import type { ReadDeadLetters } from './topics/dead-letter-reader.ts';
import type { KafkaOptions } from './topics/kafka/client.ts';
import { kafkaDeadLetters } from './topics/kafka/dead-letter-reader.ts';
import { createKafkaTopics, type KafkaTopicsOptions } from './topics/kafka/topics.ts';
import type { Topics } from './topics.ts';

/** Whether a text is an address of PostgreSQL. The host may be a folder of sockets: `postgres:///database?host=/run/postgresql`. */
function isPostgresUrl(text: string): boolean {
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) return false;
  const { hostname, port, searchParams } = new URL(text);
  return port !== '0' && (hostname !== '' || Boolean(searchParams.get('host')));
}

/** Settings of the database. */
export const databaseSettings = {
  DATABASE_URL: z
    .string()
    .refine(isPostgresUrl, 'must be a postgres:// URL with a host, and a port from 1 to 65535 where it has one')
    .describe('PostgreSQL: `postgres://user:password@host:port/database`, with `?sslmode=verify-full` for TLS'),
  DATABASE_POOL: integer(10, { min: 2, max: 500 }).describe('Connections to the database at most, a process'),
  STATEMENT_TIMEOUT: duration('10s', { max: '1h' }).describe('A statement that takes longer is cancelled'),
};

/** Settings of the key-value store. */
export const keyValueSettings = {
  REDIS_URL: z
    .string()
    .refine(
      isRedisUrl,
      'must be a redis:// URL, or redis-sentinel:// or redis-cluster:// with several nodes, each with a port from 1 to 65535 where it has one',
    )
    .describe(
      'Redis: `redis://host:6379`, `rediss://` for TLS, `redis-sentinel://host:26379,host:26379/master`, `redis-cluster://host:6379,host:6379`',
    ),
};

/** Settings of the topics. */
export const topicsSettings = {
  KAFKA_BROKERS: z
    .string()
    .transform((text) => text.split(',').map((broker) => broker.trim()))
    .refine(
      (
        brokers, // kafkajs takes no IPv6 address, only names of hosts that have one.
      ) => brokers.every((broker) => isHostAndPort(broker) && !broker.startsWith('[')),
      'must be host:port with a port from 1 to 65535, several with commas between',
    )
    .describe('Kafka: host:port of some of the brokers, with commas between'),
  KAFKA_TLS: optionalFlag().describe('Whether to speak TLS to Kafka; by default not'),
  KAFKA_SASL_MECHANISM: oneOf(['none', 'plain', 'scram-sha-256', 'scram-sha-512'], 'none').describe(
    'How to sign in to Kafka',
  ),
  KAFKA_USERNAME: z.string().optional().describe('Who signs in to Kafka'),
  KAFKA_PASSWORD: z.string().optional().describe('With which password'),
  KAFKA_PREFIX: z
    .string()
    .regex(/^[\w.-]{0,64}$/, 'must be letters, digits, dots, dashes or underscores, 64 at most')
    .default('')
    .describe('Stands before the names of topics and groups, where several installations share a cluster'),
  KAFKA_PARTITIONS: integer(12, { min: 1, max: 1_000 }).describe('Partitions of a topic that is made'),
  KAFKA_REPLICATION: integer(1, { min: 1, max: 9 }).describe('Replicas of a topic that is made'),
  KAFKA_RETENTION: duration('7d', { max: '3650d' }).describe('Messages of a topic that is made are kept for this long'),
  JOIN_WITHIN: duration('1m', { max: '24h' }).describe(
    'A service whose consumer is in no group for this long, while the broker answers, is not live',
  ),
};

/** Who signs in must be said whole; a rule for `refine`. */
export const saslIsWhole = [
  (settings: { KAFKA_SASL_MECHANISM: string; KAFKA_USERNAME?: string; KAFKA_PASSWORD?: string }) =>
    settings.KAFKA_SASL_MECHANISM === 'none' || Boolean(settings.KAFKA_USERNAME && settings.KAFKA_PASSWORD),
  { message: 'KAFKA_SASL_MECHANISM needs KAFKA_USERNAME and KAFKA_PASSWORD' },
] as const;

export type TopicsConfig = z.output<z.ZodObject<typeof topicsSettings>>;
export type DatabaseConfig = z.output<z.ZodObject<typeof databaseSettings>>;
export type KeyValueConfig = z.output<z.ZodObject<typeof keyValueSettings>>;

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

/** What reads the dead-letter topics on Kafka. */
export function openDeadLetters(config: TopicsConfig, log: Log): ReadDeadLetters {
  return kafkaDeadLetters(kafkaOptions(config, log));
}

/** Topics on Kafka; from `database` what is published goes out. */
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

/** The key-value store on Redis. */
export function openKeyValue(config: KeyValueConfig, log: Log): Promise<KeyValue> {
  return createRedisKeyValue({ url: config.REDIS_URL, log });
}

/** PostgreSQL, with the ports' tables. */
export async function openDatabase(config: DatabaseConfig, log: Log): Promise<PostgresDatabase> {
  await using releases = new AsyncDisposableStack();
  const database = releases.use(
    await openPostgres({
      url: config.DATABASE_URL,
      poolSize: config.DATABASE_POOL,
      statementTimeoutMs: config.STATEMENT_TIMEOUT,
      log,
    }),
  );
  await database.migrate(platformMigrations);
  releases.move();
  return database;
}

/**
 * The engines of a service that has a database: PostgreSQL, Kafka fed from it, and jobs in it.
 *
 * @param limits what bounds its consumers
 * @throws CodedError DATABASE_UNAVAILABLE, TOPICS_UNAVAILABLE, naming the setting
 */
export async function openDistributedEngines(
  config: DatabaseConfig & TopicsConfig,
  log: Log,
  limits?: Partial<ConsumerLimits>,
): Promise<Omit<Engines, 'keyValue'>> {
  await using releases = new AsyncDisposableStack();
  const database = releases.use(await openDatabase(config, log));
  const jobs = releases.use(
    await createJobs({
      database: { url: config.DATABASE_URL, queryTimeoutMs: config.STATEMENT_TIMEOUT + answerLateMs },
      log,
    }),
  );
  const topics = releases.use(await openTopics(config, { log, database, limits }));
  const owned = releases.move();
  return { database, topics, jobs, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
