import type { z } from 'zod';
import type { Transaction } from './database.ts';

/** A topic. The schema checks each value when it is published and when it is read. */
export interface Topic<Value> {
  readonly name: string;
  readonly schema: z.ZodType<Value>;
  /** Returns the key of a value. Messages of one key are handled in order. */
  readonly key: (value: Value) => string;
}

export interface Message<Value> {
  topic: string;
  key: string;
  value: Value;
  headers: Readonly<Record<string, string>>;
  partition: number;
  /** Position in the partition; on Kafka, the offset plus one. Positions increase, with gaps. */
  position: number;
  /** When the message was published, in milliseconds since the epoch. */
  publishedAt: number;
  /** Length of key, value and headers as text, from which the message's memory is estimated. */
  textLength: number;
}

/** Position of the last message per partition. For a missing partition, the position is its beginning. */
export type Positions = Readonly<Record<number, number>>;

export interface ConsumeOptions<Value> {
  topic: Topic<Value>;
  /** The consumer group. Its members share the partitions, and a new group starts at the topic's beginning. */
  group: string;
  /**
   * Limit of messages that are handled concurrently. A message that waits for its next attempt does not count. Default:
   * 64.
   */
  concurrency?: number;
  handler: Handler<Value>;
  /**
   * Called when this consumer is assigned a partition, before it handles a message of the partition. The group has
   * finished the partition up to `position`, which may be lower than a position that `onFinishedThrough` reported
   * before.
   */
  onAssigned?(partition: number, position: number): Promise<void>;
  /**
   * Called periodically with the position up to which each partition is finished. Partitions whose position has not
   * grown are left out.
   *
   * A service that stores `finishedThrough` also needs these positions. `finishedThrough` excludes messages that other
   * handlers are still working on. If no later message follows, only `onFinishedThrough` reports that these messages
   * are finished.
   */
  onFinishedThrough?(positions: ReadonlyMap<number, number>): Promise<void>;
}

/**
 * Handles one message. The message is finished when the promise resolves.
 *
 * - After an error that is the message's fault, the message goes to `<topic>.dead-letter`. Such an error is a
 *   CodedError that is not retryable, or a database error for an invalid value or a violated constraint.
 * - After any other error, the message is retried with backoff, while later messages of its key wait.
 * - A message that fails for longer than a limit is parked: it is stored in the database and retried from there. Later
 *   messages of its key are also parked.
 * - If the error has `retryForMs`, a parked message goes to the dead-letter topic after this time.
 */
export type Handler<Value> = (message: Message<Value>, context: HandlerContext) => Promise<void>;

export interface HandlerContext {
  /** Aborts when the consumer stops. */
  signal: AbortSignal;
  /**
   * Returns the position up to which all messages of the partition are finished. This message counts as finished.
   * Returns 0 if the partition was revoked, or if this message is retried after parking.
   *
   * The position stays before the oldest parked message. A parked message that is 10,000 or more positions before the
   * finished messages is ignored. Call this function inside the transaction that stores the message's effect.
   */
  finishedThrough(): number;
}

export interface TailOptions<Value> {
  topic: Topic<Value>;
  /**
   * Where to start: at the end (`now`), after these positions, or with the last `last` messages. `last` is divided
   * evenly among the partitions, even if one partition has most messages. If retention has deleted a position, the tail
   * starts at the oldest stored message.
   */
  from: 'now' | { after: Positions } | { last: number };
  /** Called with the messages of a key in order. It must not throw, and is not awaited. */
  onMessage(message: Message<Value>): void;
  /**
   * Called when the tail ends by itself, with TOPIC_RECREATED (retryable): its topic was deleted and recreated. No
   * message follows until the process is restarted.
   */
  onEnd?(error: Error): void;
}

export interface Tail extends AsyncDisposable {
  /**
   * Position of the last message per partition when the tail started. When `tail` resolves, `onMessage` has received
   * everything up to these positions.
   */
  readonly startedAt: Positions;
  /** The positions at which the tail began to read. `onMessage` receives every message after them. */
  readonly coversAfter: Positions;
  /**
   * Resolves once `onMessage` has received every message that was in the topic at the time of the call. The result is
   * the last position per partition. Rejects if the broker does not respond, or when the tail ends.
   */
  caughtUp(): Promise<Positions>;
}

/** A consumer or tail that is stuck until the process is restarted, or until an operator acts. */
export interface TopicsFailure {
  code: 'CONSUMER_STOPPED' | 'CONSUMER_NOT_JOINED' | 'TOPIC_RECREATED';
  topic: string;
  /** The consumer's group; undefined for a tail. */
  group?: string;
  message: string;
}

/**
 * The topics port. Adapters: `topics/embedded` (a message log in the embedded database) and Kafka.
 */
export interface Topics extends AsyncDisposable {
  /**
   * Publishes when the transaction commits, and not at all when it rolls back.
   * @throws CodedError TOPIC_VALUE_INVALID, TOPIC_VALUE_TOO_LARGE (over 900 kB of JSON)
   */
  publish<Value>(
    tx: Transaction,
    topic: Topic<Value>,
    value: Value,
    options?: { headers?: Record<string, string> },
  ): Promise<void>;
  /** Publishes several values in order, in one round trip. An empty list is a no-op. */
  publishAll<Value>(
    tx: Transaction,
    topic: Topic<Value>,
    values: readonly Value[],
    options?: { headers?: Record<string, string> },
  ): Promise<void>;
  /**
   * Joins a group. Messages are handled at least once and concurrently. The messages of one key are handled in order,
   * even when partitions are added. The committed position never passes an unfinished message.
   *
   * Disposing stops the intake, aborts the handlers' signal, and awaits running handlers.
   */
  consume<Value>(options: ConsumeOptions<Value>): Promise<AsyncDisposable>;
  /** Reads every message of the topic in each process that calls it. No positions are stored. */
  tail<Value>(options: TailOptions<Value>): Promise<Tail>;
  /** Resolves when the broker responds, else throws a retryable error. */
  ping(): Promise<void>;
  /** The consumers and tails that are stuck although the broker responds. */
  failures(): readonly TopicsFailure[];
}

/**
 * Returns the name of the dead-letter topic of `topic`, which receives messages that a consumer could not handle. The
 * messages keep their value, and have the error in their headers.
 */
export function deadLetterName(topic: string): string {
  return `${topic}.dead-letter`;
}
