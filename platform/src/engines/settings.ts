import { z } from 'zod';
import { isRedisUrl } from '../key-value/redis-url.ts';
import { duration, integer, isHostAndPort, oneOf, optionalFlag, optionalInteger } from '../process/config.ts';

/**
 * Whether a text is a PostgreSQL URL. The host may be a folder of sockets: `postgres:///database?host=/run/postgresql`.
 */
function isPostgresUrl(text: string): boolean {
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) return false;
  const { hostname, port, searchParams } = new URL(text);
  return port !== '0' && (hostname !== '' || Boolean(searchParams.get('host')));
}

export const databaseSettings = {
  DATABASE_URL: z
    .string()
    .refine(isPostgresUrl, 'must be a postgres:// URL with a host, and a port from 1 to 65535 if it has one')
    .describe('PostgreSQL: `postgres://user:password@host:port/database`, with `?sslmode=verify-full` for TLS'),
  DATABASE_POOL: integer(10, { min: 2, max: 500 }).describe('Limit of connections to the database, per process'),
  STATEMENT_TIMEOUT: duration('10s', { max: '1h' }).describe('A statement that takes longer is cancelled'),
};

export const keyValueSettings = {
  REDIS_URL: z
    .string()
    .refine(
      isRedisUrl,
      'must be a redis:// URL, or redis-sentinel:// or redis-cluster:// with several nodes, each with a port from 1 to 65535 if it has one',
    )
    .describe(
      'Redis: `redis://host:6379`, `rediss://` for TLS, `redis-sentinel://host:26379,host:26379/master`, `redis-cluster://host:6379,host:6379`',
    ),
};

export const topicsSettings = {
  KAFKA_BROKERS: z
    .string()
    .transform((text) => text.split(',').map((broker) => broker.trim()))
    .refine(
      (
        brokers, // kafkajs rejects IPv6 addresses, but accepts names that resolve to one.
      ) => brokers.every((broker) => isHostAndPort(broker) && !broker.startsWith('[')),
      'must be host:port with a port from 1 to 65535, several comma-separated',
    )
    .describe('Kafka: host:port of some of the brokers, comma-separated'),
  KAFKA_TLS: optionalFlag().describe('Whether to use TLS for Kafka; by default false'),
  KAFKA_SASL_MECHANISM: oneOf(['none', 'plain', 'scram-sha-256', 'scram-sha-512'], 'none').describe(
    'SASL mechanism for Kafka',
  ),
  KAFKA_USERNAME: z.string().optional().describe('User name for Kafka'),
  KAFKA_PASSWORD: z.string().optional().describe('Password for Kafka'),
  KAFKA_PREFIX: z
    .string()
    .regex(/^[\w.-]{0,64}$/, 'must be letters, digits, dots, dashes or underscores, at most 64')
    .default('')
    .describe('Prefix of topic and group names, for installations that share a cluster'),
  KAFKA_PARTITIONS: integer(12, { min: 1, max: 1_000 }).describe('Partitions of a topic that a service creates'),
  KAFKA_REPLICATION: optionalInteger({ min: 1, max: 9 }).describe(
    "Replicas of a topic that a service creates; by default the brokers' `default.replication.factor`",
  ),
  KAFKA_RETENTION: duration('7d', { max: '3650d' }).describe('Retention of a topic that a service creates'),
  JOIN_WITHIN: duration('1m', { max: '24h' }).describe(
    'A service whose consumer has not joined its group for this long, while the broker answers, is not live',
  ),
};

/** A rule for `refine`: SASL needs both credentials. */
export const requireSaslCredentials = [
  (settings: { KAFKA_SASL_MECHANISM: string; KAFKA_USERNAME?: string; KAFKA_PASSWORD?: string }) =>
    settings.KAFKA_SASL_MECHANISM === 'none' || Boolean(settings.KAFKA_USERNAME && settings.KAFKA_PASSWORD),
  { message: 'KAFKA_SASL_MECHANISM needs KAFKA_USERNAME and KAFKA_PASSWORD' },
] as const;

const embeddedRetentionMs = 7 * 86_400_000;
/** Maximum of the setting GIVE_UP_AFTER, the time within which the outcome of a request is published. */
const longestGiveUpMs = 24 * 86_400_000;

/**
 * A rule for zod's `refine`: data that message handlers need must be kept for longer than the messages themselves. A
 * message may be kept for twice the retention of a topic: first in its topic, and then in the dead-letter topic.
 *
 * @param name name of the setting for how long the data is kept (see `durationOrOff`)
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
