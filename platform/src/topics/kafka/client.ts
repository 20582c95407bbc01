import { setTimeout as sleep } from 'node:timers/promises';
import { type Admin, type ISocketFactory, type Kafka, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs';
import { CodedError, isCodedError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { within } from '../../within.ts';
import { pause } from '../attempt.ts';
import { quietRequestQueue } from './quiet-request-queue.ts';
import { createKafka } from './silent-connections.ts';
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
  /** Default: as the brokers have it. */
  replication?: number | undefined;
  retentionMs: number;
  /** How connections are opened. Default: TCP, or TLS where that is set. */
  socketFactory?: ISocketFactory;
  /** A request that has no answer by then fails, and a connection on which nothing came since is closed. Default: 15 s. */
  requestTimeoutMs?: number;
  log: Log;
}

/** A connection to the brokers, that makes topics as they are met. */
export interface KafkaClient extends AsyncDisposable {
  readonly kafka: Kafka;
  readonly admin: Admin;
  /** Resolves when a broker has answered for the first time: with false where it is disposed before. */
  readonly connected: Promise<boolean>;
  /** The name on the broker of a topic or group. */
  nameOf(name: string): string;
  /** Makes the topic unless it is there. Throws TOPICS_UNAVAILABLE (retryable). */
  ensureTopic(name: string): Promise<void>;
  /** Has `ensureTopic` look again: the topic may have been deleted. */
  forgetTopic(name: string): void;
  /** Throws TOPICS_UNAVAILABLE (retryable) while no broker answers. */
  ping(): Promise<void>;
  /** Whether one answers at once: who is about to stop does not wait for one that is away. */
  answersAtOnce(): Promise<boolean>;
}

/** Partitions that are added are read after this time at the latest. */
export const partitionsFoundWithinMs = 10_000;

const connectEveryMs = 1_000;
export const disconnectWithinMs = 1_000;
const atOnceMs = 1_000;
const missedForMs = 10_000;
const pingWithinMs = 3_000;
const settleWithinMs = 15_000;

/**
 * Connects, now or as soon as a broker answers: one that is away fails what is called, and not the start. kafkajs's
 * own retries are short: who calls decides for how long to try.
 */
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
    requestTimeoutMs = 15_000,
    log,
  } = options;
  quietRequestQueue(log);
  skipEmptyBatches(log);
  const kafka = createKafka({
    brokers: [...brokers],
    clientId,
    ssl: tls,
    ...(sasl && { sasl: sasl as SASLOptions }),
    ...(socketFactory && { socketFactory }),
    connectionTimeout: 3_000,
    requestTimeout: requestTimeoutMs,
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 5 },
    logLevel: logLevel.WARN,
    logCreator: logInto(log),
  });
  const admin = kafka.admin();
  // One of its own: kafkajs's asks for every topic that it has asked offsets of, and fails where one is deleted.
  const maker = kafka.admin();
  const stop = new AbortController();
  let isConnected = false;
  let missedAt = Number.NEGATIVE_INFINITY;
  const connectOnce = async () => {
    await Promise.all([admin.connect(), maker.connect()]);
    isConnected = true;
  };
  const connecting = connectOnce().catch((error: unknown) => {
    log.warn({ error }, `KAFKA_BROKERS: no broker answers at ${brokers.join(', ')}; it is joined when it does`);
  });
  /** Ends when there is a connection: from then on kafkajs makes it again by itself. */
  const connected = connecting.then(async () => {
    while (!isConnected && !stop.signal.aborted) {
      await pause(connectEveryMs, stop.signal);
      if (!stop.signal.aborted)
        await connectOnce().catch((error: unknown) => log.debug({ error }, 'no broker answers yet'));
    }
    return isConnected;
  });
  const requireConnection = () => {
    if (!isConnected) throw new CodedError('TOPICS_UNAVAILABLE', 'No broker has answered yet.', { retryable: true });
  };
  await connecting;
  const made = new Map<string, Promise<void>>();
  const nameOf = (name: string) => prefix + name;
  const make = async (name: string) => {
    if (!(await maker.listTopics()).includes(name))
      await maker
        .createTopics({
          topics: [
            {
              topic: name,
              numPartitions: partitions,
              ...(replication !== undefined && { replicationFactor: replication }),
              // What is not named here, as min.insync.replicas, is the brokers', also when they change it.
              configEntries: [{ name: 'retention.ms', value: String(retentionMs) }],
            },
          ],
        })
        .catch((error: unknown) => {
          throw refusal(name, error);
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
        unavailable(() => {
          requireConnection();
          return settled(() => make(nameOf(name)));
        }).catch((error: unknown) => {
          made.delete(name);
          throw error;
        });
      made.set(name, making);
      return making;
    },
    forgetTopic: (name) => void made.delete(name),
    async ping() {
      await unavailable(() => {
        requireConnection();
        return within(pingWithinMs, admin.describeCluster());
      });
    },
    async answersAtOnce() {
      // Those who stop together, or one after the other, do not each wait for an answer that does not come.
      if (!isConnected || performance.now() - missedAt < missedForMs) return false;
      try {
        await within(atOnceMs, admin.describeCluster());
        return true;
      } catch {
        missedAt = performance.now();
        return false;
      }
    },
    connected,
    async [Symbol.asyncDispose]() {
      stop.abort();
      // kafkajs waits for answers that are due.
      await within(disconnectWithinMs, Promise.all([admin.disconnect(), maker.disconnect()])).catch((error: unknown) =>
        log.debug({ error }, 'a connection to Kafka was left open'),
      );
    },
  };
}

/** Runs a call to the brokers; what goes wrong is TOPICS_UNAVAILABLE, retryable. */
export async function unavailable<T>(work: () => Promise<T>): Promise<Awaited<T>> {
  try {
    return await work();
  } catch (cause) {
    if (isCodedError(cause)) throw cause;
    throw new CodedError('TOPICS_UNAVAILABLE', 'The broker does not answer.', { cause, retryable: true });
  }
}

/** What a broker answers that will not make a topic, said with its reason: it is not worth waiting for. */
function refusal(name: string, error: unknown): unknown {
  // kafkajs's own classes can not be imported by their names.
  const { errors } = error as { errors?: Error[] };
  if (!errors) return error;
  const reasons = errors.map(({ message }) => message).join(' ');
  return new CodedError('TOPICS_UNAVAILABLE', `The broker does not make the topic ${name}: ${reasons}`, {
    cause: error,
    retryable: true,
  });
}

/**
 * Tries again for a while: a topic that is just being made, perhaps by another process, is not known to every broker at
 * once. What is coded is refused, and fails at once.
 */
export async function settled<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + settleWithinMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (isCodedError(error) || Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

/** kafkajs logs on our port: a rebalance is no warning, and neither is what it retries by itself, or we report. */
function logInto(log: Log): KafkaConfig['logCreator'] {
  return () =>
    ({ level, log: { message, error, groupId } }) => {
      const fields = { part: 'kafkajs', ...(error && { reason: String(error) }), ...(groupId && { groupId }) };
      const isToldElsewhere = /rebalanc|not aware of this member|Response CreateTopics/i.test(`${error} ${message}`);
      if (level <= logLevel.ERROR && !isToldElsewhere) log.warn(fields, message);
      else log.debug(fields, message);
    };
}
