import type { Log } from '@voucher-gateway/platform/log';
import type { Message, Positions, Tail, Topic, Topics } from '@voucher-gateway/platform/topics';
import { z } from 'zod';
import { type MessageBounds, MessageBuffer } from './message-buffer.ts';
import { cutSlice } from './slice.ts';

/** A message's value: what the topic's owner promised, as far as the gateway knows. */
export type Value = Record<string, unknown>;
export type TopicMessage = Message<Value>;

/** Any topic, by name: the gateway knows no more of it than its directive says. */
export function anyTopic(name: string): Topic<Value> {
  return { name, schema: z.record(z.string(), z.unknown()), key: () => '' };
}

/**
 * The last messages of a topic, in memory, and who waits for the next ones.
 *
 * One tail a topic and process feeds it. Listeners stand in an index by field and value, so that a
 * message costs what its own listeners cost. A message whose `id` the window holds already is a repeat
 * and is dropped.
 */
export interface RecentMessages extends AsyncDisposable {
  /** Whether the window holds everything behind these positions. */
  hasAllAfter(positions: Positions): boolean;
  /** The first messages buffer behind these positions whose `match` field equals `key`, in order. */
  after(positions: Positions, match: string, key: string): Slice;
  /** Resolves once it has seen everything that stood in the topic when it was called. */
  caughtUp(): Promise<void>;
  /**
   * Positions that were told before it was caught up, as positions in what the topic has: one behind the end of its
   * partition is of messages that are gone, and stands ahead of all that came since.
   */
  toCurrentTopic(positions: Positions): Positions;
  /** Whether it holds the message of this id. */
  has(id: string): boolean;
  /**
   * Tells the listener each new message whose `match` field equals `key`, until disposed. Throws TOPIC_RECREATED
   * (retryable) where nothing more comes, as the topic was recreated.
   */
  listen(match: string, key: string, listener: TopicListener): Disposable;
}

export interface TopicListener {
  onMessage(message: TopicMessage): void;
  /** Nothing more comes. */
  onEnd(error: Error): void;
}

/** Messages in order, and the positions through which they are all. */
export interface Slice {
  messages: TopicMessage[];
  through: Positions;
  /** False where there were more, which did not fit: they come after `through`. */
  isWhole: boolean;
}

export interface RecentMessagesOptions {
  topics: Topics;
  topic: string;
  /** Fields that listeners match by. */
  matches: ReadonlySet<string>;
  /** What is buffer at most. */
  bounds: MessageBounds;
  log: Log;
}

/** Starts a window, filled with the topic's last messages when it resolves. */
export async function openRecentMessages(options: RecentMessagesOptions): Promise<RecentMessages> {
  const { topics, topic, matches, bounds, log } = options;
  const buffer = new MessageBuffer(bounds);
  const ids = new Set<string>();
  /** By partition, the position behind which everything is buffer, once something was let go of. */
  const start: Record<number, number> = {};
  /** By partition, the position through which everything has been seen. */
  const through: Record<number, number> = {};
  const see = (partition: number, position: number) => {
    through[partition] = Math.max(through[partition] ?? 0, position);
  };
  const seeAll = (positions: Positions) => {
    for (const [partition, position] of Object.entries(positions)) see(Number(partition), position);
  };
  /** By field, then value. */
  const index = new Map<string, Map<string, Set<TopicListener>>>();

  const onMessage = (message: TopicMessage) => {
    const id = idOf(message);
    see(message.partition, message.position);
    if (id !== null && ids.has(id)) return;
    if (id !== null) ids.add(id);
    buffer.add(message);
    for (let evicted = buffer.evict(); evicted; evicted = buffer.evict()) {
      start[evicted.partition] = evicted.position;
      const evictedId = idOf(evicted);
      if (evictedId !== null) ids.delete(evictedId);
    }
    for (const match of matches) {
      const key = message.value[match];
      if (typeof key !== 'string') continue;
      for (const listener of index.get(match)?.get(key) ?? []) {
        try {
          listener.onMessage(message);
        } catch (error) {
          log.error({ error, topic, position: message.position }, 'a subscriber failed on a message');
        }
      }
    }
  };

  let endedBy: Error | null = null;
  const onEnd = (error: Error) => {
    endedBy = error;
    for (const byKey of index.values())
      for (const listeners of [...byKey.values()]) for (const listener of [...listeners]) listener.onEnd(error);
  };

  const tail: Tail = await topics.tail({ topic: anyTopic(topic), from: { last: bounds.maxCount }, onMessage, onEnd });
  seeAll(tail.startedAt);
  const startOf = (partition: number) => start[partition] ?? tail.coversAfter[partition] ?? 0;

  return {
    hasAllAfter(positions) {
      const partitions = new Set(
        [...Object.keys(positions), ...Object.keys(tail.coversAfter), ...Object.keys(start)].map(Number),
      );
      return [...partitions].every((partition) => startOf(partition) <= (positions[partition] ?? 0));
    },
    after: (positions, match, key) =>
      cutSlice(
        {
          messages: buffer.of(match, key).filter(({ partition, position }) => position > (positions[partition] ?? 0)),
          through: { ...positions, ...through },
          isWhole: true,
        },
        positions,
      ),
    caughtUp: async () => seeAll(await tail.caughtUp()),
    toCurrentTopic: (positions) =>
      mapPartitions(positions, (position, partition) => (position > (through[partition] ?? 0) ? 0 : position)),
    has: (id) => ids.has(id),
    listen(match, key, listener) {
      if (endedBy) throw endedBy;
      const byKey = index.get(match) ?? new Map<string, Set<TopicListener>>();
      index.set(match, byKey);
      return new Listening(byKey, key, listener);
    },
    [Symbol.asyncDispose]: () => tail[Symbol.asyncDispose](),
  };
}

/** A listener's place in the index. A class, for there are as many as users. */
class Listening implements Disposable {
  readonly #byKey: Map<string, Set<TopicListener>>;
  readonly #key: string;
  readonly #listener: TopicListener;

  constructor(byKey: Map<string, Set<TopicListener>>, key: string, listener: TopicListener) {
    this.#byKey = byKey;
    this.#key = key;
    this.#listener = listener;
    byKey.set(key, (byKey.get(key) ?? new Set()).add(listener));
  }

  [Symbol.dispose](): void {
    const listeners = this.#byKey.get(this.#key);
    listeners?.delete(this.#listener);
    if (listeners?.size === 0) this.#byKey.delete(this.#key);
  }
}

/** Another record by partition. */
export function mapPartitions<From, To>(
  record: Readonly<Record<number, From>>,
  map: (value: From, partition: number) => To,
): Record<number, To> {
  return Object.fromEntries(
    Object.entries(record).map(([partition, value]) => [partition, map(value, Number(partition))]),
  );
}

/** A message's id, which names it in cursors and tells repeats; null for a topic whose values have none. */
export function idOf(message: TopicMessage): string | null {
  return typeof message.value.id === 'string' ? message.value.id : null;
}
