import type { z } from 'zod';
import type { Transaction } from './database.ts';
import type { TopicsFailure } from './topics/consumer-failures.ts';

/** A topic: its name, the schema that each value is checked against on the way in and out, and its key. */
export interface Topic<Value> {
  readonly name: string;
  readonly schema: z.ZodType<Value>;
  /** Messages of one key are handled in order. */
  readonly key: (value: Value) => string;
}

/** A message as a reader sees it. */
export interface Message<Value> {
  topic: string;
  key: string;
  value: Value;
  headers: Readonly<Record<string, string>>;
  partition: number;
  /** Place in the partition: grows, with gaps. */
  position: number;
  /** Milliseconds since the epoch. */
  publishedAt: number;
  /** Length of its key, value and headers as text: what it takes in memory grows with it. */
  textLength: number;
}

/** Position of the last message by partition. A partition that is missing stands at its beginning. */
export type Positions = Readonly<Record<number, number>>;

export interface ConsumeOptions<Value> {
  topic: Topic<Value>;
  /** The consumer group: its members share the messages, and it starts at the topic's beginning. */
  group: string;
  /** Messages that are handled at once, at most; one that waits for its next attempt is not counted. Default: 64. */
  concurrency?: number;
  handler: Handler<Value>;
  /**
   * Called when this member is given a partition, before it handles a message of it, with the position through which
   * the group has finished it: no further than that, whatever was told before.
   */
  onAssigned?(partition: number, position: number): Promise<void>;
  /**
   * Called now and then with the position through which the group has finished each partition where that has grown:
   * what `finishedThrough` could not tell yet while the last messages were in flight together.
   */
  onFinishedThrough?(positions: ReadonlyMap<number, number>): Promise<void>;
}

/**
 * Handles one message. It is finished when what comes next is stored. Where it fails by its own fault it goes to
 * `<topic>.dead-letter`: a CodedError that is not retryable, a value or constraint that the database refuses. Any
 * other failure is the environment's, and is retried in place with backoff while the message's key waits. What fails
 * for longer than a limit is parked in the database: the group goes on, and the message is retried from there. Later
 * messages of its key are parked behind it. Where the error says for how long trying again can help (`retryForMs`), a
 * message that has been parked for so long goes to dead-letter.
 */
export type Handler<Value> = (message: Message<Value>, context: HandlerContext) => Promise<void>;

export interface HandlerContext {
  /** Aborts when the consumer stops. */
  signal: AbortSignal;
  /**
   * The position in the message's partition through which this group has finished everything, this
   * message counted as finished; 0 once the partition is not this member's any more, or the message was
   * parked. A parked message holds it back for up to 10,000 positions. Read it inside the
   * transaction that stores the message's effect.
   */
  finishedThrough(): number;
}

export interface TailOptions<Value> {
  topic: Topic<Value>;
  /**
   * Where to start: `now`; behind given positions; or with the last `last` messages, shared out over the partitions.
   * A position past retention starts at the oldest message kept.
   */
  from: 'now' | { after: Positions } | { last: number };
  /** Called in order by key. It must not throw, and is not awaited. */
  onMessage(message: Message<Value>): void;
  /**
   * Called when the tail ends by itself, with TOPIC_RECREATED (retryable): its topic was deleted and recreated, and
   * nothing more comes until the process is restarted.
   */
  onEnd?(error: Error): void;
}

export interface Tail extends AsyncDisposable {
  /**
   * Position of the last message at the time the tail started, by partition; everything up to there
   * has been given to `onMessage` when `tail` resolves.
   */
  readonly startedAt: Positions;
  /**
   * Position, by partition, behind which this tail has given every message: start of what it covers.
   */
  readonly coversAfter: Positions;
  /**
   * Resolves once everything that stood in the topic when it was called has been given to `onMessage`, with the
   * position of its last message by partition. Rejects where the broker does not answer, and when the tail ends.
   */
  caughtUp(): Promise<Positions>;
}

/**
 * The topics port. Adapters: `topics/embedded` (a message log in the embedded database) and Kafka.
 */
export interface Topics extends AsyncDisposable {
  /**
   * Publishes when the transaction commits, and not at all when it rolls back (the outbox).
   * @throws CodedError TOPIC_VALUE_INVALID, TOPIC_VALUE_TOO_LARGE (over 900 kB of JSON)
   */
  publish<Value>(
    tx: Transaction,
    topic: Topic<Value>,
    value: Value,
    options?: { headers?: Record<string, string> },
  ): Promise<void>;
  /** The same for several values, in their order, in one round trip. None is nothing. */
  publishAll<Value>(
    tx: Transaction,
    topic: Topic<Value>,
    values: readonly Value[],
    options?: { headers?: Record<string, string> },
  ): Promise<void>;
  /**
   * Joins a group. At least once, many in flight, the same key in order, also where partitions are added; the group's
   * stored position never passes unfinished work. Disposing stops the intake, aborts the signal, and awaits what runs.
   */
  consume<Value>(options: ConsumeOptions<Value>): Promise<AsyncDisposable>;
  /** Every process sees every message; nothing is stored about it. */
  tail<Value>(options: TailOptions<Value>): Promise<Tail>;
  /** Resolves when the broker answers, else throws a retryable error. */
  ping(): Promise<void>;
  /** Consumers and tails that do nothing though the broker answers: the process is to be restarted. */
  failures(): readonly TopicsFailure[];
}

/** The topic that takes what a consumer could not handle: the value as it came, the error in headers. */
export function deadLetterName(topic: string): string {
  return `${topic}.dead-letter`;
}
