import { setTimeout as sleep } from 'node:timers/promises';
import { type Admin, type ISocketFactory, Kafka, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs';
import { CodedError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { within } from '../../within.ts';
import { quietRequestQueue } from './quiet-request-queue.ts';
import { skipEmptyBatches } from './skip-empty-batches.ts';

export interface KafkaOptions {
  /** `host:port` of some of the brokers. */
  brokers: readonly string[];
  clientId: string;
  /** Stands before the names of topics and groups, where several installations share a cluster. Default: none. */
  prefix?: string;
  /** Whether to speak TLS. Default: false. */
  tls?: boolean;
  /** Default: none. */
  sasl?: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string };
  /** Of a topic that is made because nobody has. */
  partitions: number;
  replication: number;
  retentionMs: number;
  /** How connections are opened. Default: TCP, or TLS where that is set. */
  socketFactory?: ISocketFactory;
  log: Log;
}

/** A connection to the brokers, that makes topics as they are met. */
export interface KafkaClient extends AsyncDisposable {
  readonly kafka: Kafka;
  readonly admin: Admin;
  /** The name on the broker of a topic or group. */
  nameOf(name: string): string;
  /** Makes the topic unless it is there. Throws TOPICS_UNAVAILABLE (retryable). */
  ensureTopic(name: string): Promise<void>;
  /** Has `ensureTopic` look again: the topic may have been deleted. */
  forgetTopic(name: string): void;
  /** Throws TOPICS_UNAVAILABLE (retryable) while no broker answers. */
  ping(): Promise<void>;
}

/** Partitions that are added are read after this time at the latest. */
export const partitionsFoundWithinMs = 10_000;

const pingWithinMs = 3_000;
const settleWithinMs = 15_000;

/** Connects. kafkajs's own retries are short: who calls decides for how long to try. */
export async function connectKafka(options: KafkaOptions): Promise<KafkaClient> {
  const {
    brokers,
    clientId,
    prefix = '',
    tls = false,
    sasl,
    partitions,
    replication,
    retentionMs,
    socketFactory,
    log,
  } = options;
  quietRequestQueue();
  skipEmptyBatches();
  const kafka = new Kafka({
    brokers: [...brokers],
    clientId,
    ssl: tls,
    ...(sasl && { sasl: sasl as SASLOptions }),
    ...(socketFactory && { socketFactory }),
    connectionTimeout: 3_000,
    requestTimeout: 30_000,
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 5 },
    logLevel: logLevel.WARN,
    logCreator: logInto(log),
  });
  const admin = kafka.admin();
  // One of its own: kafkajs's asks for every topic that it has asked offsets of, and fails where one is deleted.
  const maker = kafka.admin();
  try {
    await Promise.all([admin.connect(), maker.connect()]);
  } catch (cause) {
    throw new CodedError('TOPICS_UNAVAILABLE', `KAFKA_BROKERS: no broker answers at ${brokers.join(', ')}.`, {
      cause,
      retryable: true,
    });
  }
  const made = new Map<string, Promise<void>>();
  const nameOf = (name: string) => prefix + name;
  const make = async (name: string) => {
    if (!(await maker.listTopics()).includes(name))
      await maker.createTopics({
        topics: [
          {
            topic: name,
            numPartitions: partitions,
            replicationFactor: replication,
            configEntries: [{ name: 'retention.ms', value: String(retentionMs) }],
          },
        ],
      });
    const { topics } = await maker.fetchTopicMetadata({ topics: [name] });
    if (topics.some((topic) => topic.partitions.some(({ leader }) => leader < 0))) throw new Error('no leader yet');
  };

  return {
    kafka,
    admin,
    nameOf,
    ensureTopic(name) {
      const making =
        made.get(name) ??
        unavailable(() => settled(() => make(nameOf(name)))).catch((error: unknown) => {
          made.delete(name);
          throw error;
        });
      made.set(name, making);
      return making;
    },
    forgetTopic: (name) => void made.delete(name),
    async ping() {
      await unavailable(() => within(pingWithinMs, admin.describeCluster()));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([admin.disconnect(), maker.disconnect()]);
    },
  };
}

/** Runs a call to the brokers; what goes wrong is TOPICS_UNAVAILABLE, retryable. */
export async function unavailable<T>(work: () => Promise<T>): Promise<Awaited<T>> {
  try {
    return await work();
  } catch (cause) {
    throw new CodedError('TOPICS_UNAVAILABLE', 'The broker does not answer.', { cause, retryable: true });
  }
}

/** Tries again for a while: a topic that is just being made, perhaps by another process, is not known to every broker at once. */
export async function settled<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + settleWithinMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

/** kafkajs logs on our port: a rebalance is no warning, and neither is what it retries by itself. */
function logInto(log: Log): KafkaConfig['logCreator'] {
  return () =>
    ({ level, log: { message, error, groupId } }) => {
      const fields = { part: 'kafkajs', ...(error && { reason: String(error) }), ...(groupId && { groupId }) };
      const isRebalance = /rebalanc|not aware of this member/i.test(`${error} ${message}`);
      if (level <= logLevel.ERROR && !isRebalance) log.warn(fields, message);
      else log.debug(fields, message);
    };
}
