import { z } from 'zod';
import { duration, integer, isHostAndPort, oneOf, optionalFlag, optionalInteger } from './config.ts';
import { isRedisUrl } from './key-value/redis-url.ts';

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
  KAFKA_REPLICATION: optionalInteger({ min: 1, max: 9 }).describe(
    "Replicas of a topic that is made; by default the brokers' `default.replication.factor`",
  ),
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

/** How long embedded topics keep their messages. */
const embeddedRetentionMs = 7 * 86_400_000;
/** The longest GIVE_UP_AFTER: an outcome is published this long after its request at most. */
const longestGiveUpMs = 24 * 86_400_000;

/**
 * What handling a message reads must outlive the messages, also those that wait in dead-letter; a rule for `refine`.
 *
 * @param name a setting of `durationOrOff`
 */
export function outlivesTopics(name: string) {
  return [
    (settings: Record<string, unknown>) =>
      Number(settings[name]) >= 2 * Number(settings.KAFKA_RETENTION ?? embeddedRetentionMs) + longestGiveUpMs,
    {
      message: `${name} must be at least 24d longer than twice KAFKA_RETENTION (7d by default, and with embedded engines), or off`,
    },
  ] as const;
}

export type TopicsConfig = z.output<z.ZodObject<typeof topicsSettings>>;
export type DatabaseConfig = z.output<z.ZodObject<typeof databaseSettings>>;
export type KeyValueConfig = z.output<z.ZodObject<typeof keyValueSettings>>;
