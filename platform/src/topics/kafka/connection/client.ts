import { setTimeout as sleep } from 'node:timers/promises';
import { type Admin, type ISocketFactory, type Kafka, logLevel, type SASLOptions } from 'kafkajs';
import { within } from '../../../async/deadline.ts';
import { pause } from '../../../async/pause.ts';
import { CodedError, isCodedError, orUnavailable } from '../../../errors.ts';
import type { Log } from '../../../process/log.ts';
import { stopLimits } from '../../../process/stop-stage.ts';
import { patchHeaders } from '../kafkajs-patches/few-headers.ts';
import { patchRequestQueue } from '../kafkajs-patches/quiet-request-queue.ts';
import { patchHeartbeat } from '../kafkajs-patches/set-back-clock.ts';
import { createKafka } from '../kafkajs-patches/silent-connections.ts';
import { patchEmptyBatches } from '../kafkajs-patches/skip-empty-batches.ts';
import { patchUnreadableBatches } from '../kafkajs-patches/unreadable-batches.ts';
import { createTopic } from './create-topic.ts';
import { createKafkaLog } from './kafka-log.ts';

export interface KafkaOptions {
  /** `host:port` of some of the brokers. */
  brokers: readonly string[];
  clientId: string;
  /** Prefix of topic and group names, for installations that share a cluster. Default: none. */
  prefix?: string;
  /** Whether to speak TLS. Default: false. */
  tls?: boolean;
  /** The credentials for SASL. Default: none. */
  sasl?: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string };
  /** Number of partitions of a topic that this client creates. */
  partitions: number;
  /** Number of replicas of topics that this client creates. Default: the default of the brokers. */
  replication?: number | undefined;
  retentionMs: number;
  /** Opens connections. Default: TCP, or TLS if `tls` is set. */
  socketFactory?: ISocketFactory;
  /**
   * Time limit for the response to a request. After it, the request fails. If the request's connection has received
   * nothing since the request, the connection is closed. Default: 15 s.
   */
  requestTimeoutMs?: number;
  log: Log;
}

/** A client of the brokers. It creates a topic when the topic is used for the first time. */
export interface KafkaClient extends AsyncDisposable {
  readonly kafka: Kafka;
  readonly admin: Admin;
  /** Resolves with true on the first response of a broker, or with false if the client is disposed first. */
  readonly connected: Promise<boolean>;
  /** Returns the name that a topic or group has on the broker, which begins with the prefix. */
  nameOf(name: string): string;
  /** Creates the topic if it does not exist. Throws TOPICS_UNAVAILABLE (retryable). */
  ensureTopic(name: string): Promise<void>;
  /** Makes `ensureTopic` check again: the topic may have been deleted. */
  forgetTopic(name: string): void;
  /** Throws TOPICS_UNAVAILABLE (retryable) while no broker responds. */
  ping(): Promise<void>;
  /** Whether a broker responds within a second. A shutdown skips work for a broker that is down. */
  answersAtOnce(): Promise<boolean>;
}

/** Longest time until readers find the partitions that are added to a topic. */
export const partitionsFoundWithinMs = 10_000;

const connectEveryMs = 1_000;
export const disconnectWithinMs = stopLimits.connectionsMs;
const atOnceMs = 1_000;
const assumedDownMs = 10_000;
const pingWithinMs = 3_000;
const readyWithinMs = 15_000;

/**
 * Connects in the background, as soon as a broker responds. Until then calls fail, but the start does not wait. kafkajs
 * retries only briefly, because callers decide how long to retry.
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
  patchRequestQueue(log);
  patchEmptyBatches(log);
  patchHeaders(log);
  patchUnreadableBatches(log);
  patchHeartbeat(log);
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
    logCreator: createKafkaLog(log),
  });
  const admin = kafka.admin();
  // A second admin client, which only creates topics. Each kafkajs client refreshes all topics whose offsets it has
  // fetched, and fails if one of these topics was deleted.
  const topicAdmin = kafka.admin();
  const connection = keepConnecting(() => Promise.all([admin.connect(), topicAdmin.connect()]), { brokers, log });
  await connection.firstTry;
  let unansweredAt = Number.NEGATIVE_INFINITY;
  const ensured = new Map<string, Promise<void>>();
  const nameOf = (name: string) => prefix + name;
  return {
    kafka,
    admin,
    nameOf,
    ensureTopic(name) {
      const ensuring =
        ensured.get(name) ??
        orUnavailable('TOPICS_UNAVAILABLE', () => {
          connection.require();
          return retryUntilReady(() =>
            createTopic(topicAdmin, { name: nameOf(name), partitions, replication, retentionMs }),
          );
        }).catch((error: unknown) => {
          ensured.delete(name);
          throw error;
        });
      ensured.set(name, ensuring);
      return ensuring;
    },
    forgetTopic: (name) => void ensured.delete(name),
    async ping() {
      await orUnavailable('TOPICS_UNAVAILABLE', () => {
        connection.require();
        return within(pingWithinMs, admin.describeCluster());
      });
    },
    async answersAtOnce() {
      // For 10 s after a failure, calls return false without a request to the broker. Otherwise several consumers that
      // stop one after another would each wait a second.
      if (!connection.isUp || performance.now() - unansweredAt < assumedDownMs) return false;
      try {
        await within(atOnceMs, admin.describeCluster());
        return true;
      } catch {
        unansweredAt = performance.now();
        return false;
      }
    },
    connected: connection.connected,
    async [Symbol.asyncDispose]() {
      connection[Symbol.dispose]();
      // The time limit is needed because disconnect() waits for outstanding responses.
      await within(disconnectWithinMs, Promise.all([admin.disconnect(), topicAdmin.disconnect()])).catch(
        (error: unknown) => log.debug({ error }, 'a connection to Kafka was left open'),
      );
    },
  };
}

/** Connects, and retries until it succeeds or is disposed. After the first connection kafkajs reconnects by itself. */
function keepConnecting(connect: () => Promise<unknown>, { brokers, log }: { brokers: readonly string[]; log: Log }) {
  const stop = new AbortController();
  let isUp = false;
  const connectOnce = async () => {
    await connect();
    isUp = true;
  };
  const firstTry = connectOnce().catch((error: unknown) => {
    log.warn({ error }, `KAFKA_BROKERS: no broker answers at ${brokers.join(', ')}; connecting is retried`);
  });
  const connected = firstTry.then(async () => {
    while (!isUp && !stop.signal.aborted) {
      await pause(connectEveryMs, stop.signal);
      if (!stop.signal.aborted)
        await connectOnce().catch((error: unknown) => log.debug({ error }, 'no broker answers yet'));
    }
    return isUp;
  });
  return {
    get isUp() {
      return isUp;
    },
    firstTry,
    /** Resolves with true on the first connection, or with false if disposed first. */
    connected,
    /** @throws CodedError TOPICS_UNAVAILABLE until the first connection */
    require() {
      if (!isUp) throw new CodedError('TOPICS_UNAVAILABLE', 'No broker has answered yet.', { retryable: true });
    },
    [Symbol.dispose]: () => stop.abort(),
  };
}

/** Retries for a while, because brokers learn of a new topic with a delay. A CodedError is not retried. */
export async function retryUntilReady<T>(work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + readyWithinMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (isCodedError(error) || performance.now() > deadline) throw error;
      await sleep(100);
    }
  }
}
