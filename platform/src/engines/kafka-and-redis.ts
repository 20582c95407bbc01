import { createRedisKeyValue } from '../key-value/redis.ts';
import type { KeyValue } from '../key-value.ts';
import type { Log } from '../process/log.ts';
import type { ReadDeadLetters } from '../topics/dead-letter-reader.ts';
import type { KafkaOptions } from '../topics/kafka/connection/client.ts';
import { kafkaDeadLetters } from '../topics/kafka/dead-letter-reader.ts';
import { type Reread, rereadTopics } from '../topics/kafka/reread.ts';
import { createKafkaTopics, type KafkaTopicsOptions } from '../topics/kafka/topics.ts';
import type { Topics } from '../topics.ts';
import type { KeyValueConfig, TopicsConfig } from './settings.ts';

// The engines of a process without a database. To save memory, this file does not import modules for databases.

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

export function openKeyValue(config: KeyValueConfig, log: Log): Promise<KeyValue> {
  return createRedisKeyValue({ url: config.REDIS_URL, log });
}
