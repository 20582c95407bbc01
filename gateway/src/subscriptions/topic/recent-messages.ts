import type { Log } from '@voucher-gateway/platform/process/log';
import type { Positions, Tail, Topics } from '@voucher-gateway/platform/topics';
import { anyTopic, idOf, mapPartitions, type Slice, type TopicMessage } from './message.ts';
import { type MessageBounds, MessageBuffer } from './message-buffer.ts';
import { cutSlice } from './slice.ts';

/**
 * The last messages of a topic, in memory, and the listeners for new messages. There is one tail (a reader of the
 * topic) per topic and process.
 *
 * Listeners are indexed by field and value. So a message takes time only for the listeners that get the message. A
 * message is dropped as a duplicate if the buffer has a message with the same `id`.
 */
export interface RecentMessages extends AsyncDisposable {
  /** Whether all messages after these positions are in memory. */
  hasAllAfter(positions: Positions): boolean;
  /** Returns the first messages after these positions whose `match` field equals `claimValue`, in order. */
  after(positions: Positions, match: string, claimValue: string): Slice;
  /** Resolves once the tail has read everything that was in the topic at the time of the call. */
  caughtUp(): Promise<void>;
  /**
   * Makes the store's positions valid for the current topic. A position past the end of its partition is from a deleted
   * topic of the same name. Such a position is replaced by the partition's beginning. Call this method after
   * `caughtUp`.
   */
  toCurrentTopic(positions: Positions): Positions;
  /** Whether the message with this id is in memory. */
  has(id: string): boolean;
  /**
   * Passes the listener each new message whose `match` field equals `claimValue`, until the returned value is disposed.
   *
   * @throws CodedError TOPIC_RECREATED (retryable) if the topic was recreated, which has ended the tail
   */
  listen(match: string, claimValue: string, listener: TopicListener): Disposable;
}

export interface TopicListener {
  onMessage(message: TopicMessage): void;
  /** Called when the listener will get no more messages. */
  onEnd(error: Error): void;
}

export interface RecentMessagesOptions {
  topics: Topics;
  topic: string;
  /**
   * The message fields named by `@topic(match:)`. Each listener chooses one of these fields and one value, and gets the
   * messages with this value.
   */
  matches: ReadonlySet<string>;
  bounds: MessageBounds;
  log: Log;
}

/** Starts the tail, the reader of the topic. Resolves once the tail has read the topic's last messages. */
export async function openRecentMessages(options: RecentMessagesOptions): Promise<RecentMessages> {
  const { topics, topic, matches, bounds, log } = options;
  const buffer = new MessageBuffer(bounds);
  const ids = new Set<string>();
  /**
   * For each partition, the position of the last evicted message. All later messages of the partition are in memory.
   */
  const start: Record<number, number> = {};
  /** For each partition, the last position that was read. */
  const through: Record<number, number> = {};
  const see = (partition: number, position: number) => {
    through[partition] = Math.max(through[partition] ?? 0, position);
  };
  const seeAll = (positions: Positions) => {
    for (const [partition, position] of Object.entries(positions)) see(Number(partition), position);
  };
  /** Listeners by field, then value. */
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
      const claimValue = message.value[match];
      if (typeof claimValue !== 'string') continue;
      for (const listener of index.get(match)?.get(claimValue) ?? []) {
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
    for (const byClaimValue of index.values())
      for (const listeners of [...byClaimValue.values()]) for (const listener of [...listeners]) listener.onEnd(error);
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
    after: (positions, match, claimValue) =>
      cutSlice(
        {
          messages: buffer
            .of(match, claimValue)
            .filter(({ partition, position }) => position > (positions[partition] ?? 0)),
          through: { ...positions, ...through },
          isWhole: true,
        },
        positions,
      ),
    caughtUp: async () => seeAll(await tail.caughtUp()),
    toCurrentTopic: (positions) =>
      mapPartitions(positions, (position, partition) => (position > (through[partition] ?? 0) ? 0 : position)),
    has: (id) => ids.has(id),
    listen(match, claimValue, listener) {
      if (endedBy) throw endedBy;
      const byClaimValue = index.get(match) ?? new Map<string, Set<TopicListener>>();
      index.set(match, byClaimValue);
      return new Listening(byClaimValue, claimValue, listener);
    },
    [Symbol.asyncDispose]: () => tail[Symbol.asyncDispose](),
  };
}

/** A listener's entry in the index. There is one per user, and a class instance takes less memory than closures. */
class Listening implements Disposable {
  readonly #byClaimValue: Map<string, Set<TopicListener>>;
  readonly #claimValue: string;
  readonly #listener: TopicListener;

  constructor(byClaimValue: Map<string, Set<TopicListener>>, claimValue: string, listener: TopicListener) {
    this.#byClaimValue = byClaimValue;
    this.#claimValue = claimValue;
    this.#listener = listener;
    byClaimValue.set(claimValue, (byClaimValue.get(claimValue) ?? new Set()).add(listener));
  }

  [Symbol.dispose](): void {
    const listeners = this.#byClaimValue.get(this.#claimValue);
    listeners?.delete(this.#listener);
    if (listeners?.size === 0) this.#byClaimValue.delete(this.#claimValue);
  }
}
