import type { Log } from '@voucher-gateway/platform/log';
import type { Message, Places, Positions, Tail, Topic, Topics } from '@voucher-gateway/platform/topics';
import { z } from 'zod';
import { HeldMessages, type MessageBounds } from './held-messages.ts';
import { PublishTimes } from './publish-times.ts';
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
 * and is dropped, also where the topic was made anew in between.
 */
export interface TopicWindow extends AsyncDisposable {
  /** Whether the window holds everything behind these places. */
  reachesBackTo(places: Places): boolean;
  /** The first messages held behind these places whose `match` field equals `key`, in order. */
  behind(places: Places, match: string, key: string): Stretch;
  /** Resolves once it has seen everything that stood in the topic when it was called. */
  caughtUp(): Promise<void>;
  /**
   * Places that were told before it was caught up, as places in the topic as it is: one behind the topic's end, or where
   * the topic has another message, is of a topic that was made anew since, and stands ahead of all that the new one has.
   */
  inTopic(places: Places): Places;
  /** Whether it holds the message of this id. */
  has(id: string): boolean;
  /** Tells the listener each new message whose `match` field equals `key`, until disposed. */
  listen(match: string, key: string, listener: TopicListener): Disposable;
}

export interface TopicListener {
  onMessage(message: TopicMessage): void;
}

/** Messages in order, and the places through which they are all. */
export interface Stretch {
  messages: TopicMessage[];
  through: Places;
  /** False where there were more, which did not fit: they come after `through`. */
  isWhole: boolean;
}

export interface TopicWindowOptions {
  topics: Topics;
  topic: string;
  /** Fields that listeners match by. */
  matches: ReadonlySet<string>;
  /** What is held at most. */
  bounds: MessageBounds;
  log: Log;
}

/** Starts a window, filled with the topic's last messages when it resolves. */
export async function openTopicWindow(options: TopicWindowOptions): Promise<TopicWindow> {
  const { topics, topic, matches, bounds, log } = options;
  const held = new HeldMessages(bounds);
  const ids = new Set<string>();
  /** By partition, the position behind which everything is held, once something was let go of. */
  const start: Record<number, number> = {};
  /** By partition, position of the first message that was given. */
  const first: Record<number, number> = {};
  /** By partition, the position through which everything has been seen. */
  const through: Record<number, number> = {};
  const see = (partition: number, position: number) => {
    through[partition] = Math.max(through[partition] ?? 0, position);
  };
  // Those of repeats, too, which are not held.
  const times = new PublishTimes(2 * bounds.maxCount);
  const seeAll = (positions: Positions) => {
    for (const [partition, position] of Object.entries(positions)) see(Number(partition), position);
  };
  /** By field, then value. */
  const index = new Map<string, Map<string, Set<TopicListener>>>();

  const onMessage = (message: TopicMessage) => {
    const id = idOf(message);
    see(message.partition, message.position);
    times.add(message);
    first[message.partition] ??= message.position;
    if (id !== null && ids.has(id)) return;
    if (id !== null) ids.add(id);
    held.add(message);
    for (let evicted = held.evict(); evicted; evicted = held.evict()) {
      start[evicted.partition] = evicted.position;
      times.letGo(evicted.partition, evicted.position - 1);
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

  const onReset = (partition: number) => {
    // Behind nothing any more; held for their ids, and to keep the order in which messages leave.
    for (const message of held.all()) if (message.partition === partition) message.position = 0;
    start[partition] = 0;
    through[partition] = 0;
    times.reset(partition);
  };

  const tail: Tail = await topics.tail({ topic: anyTopic(topic), from: { last: bounds.maxCount }, onMessage, onReset });
  seeAll(tail.startedAt);
  const startOf = (partition: number) => {
    const coversAfter = tail.coversAfter[partition] ?? 0;
    // What stands at the start is known, so that a place there is told from one of another topic.
    return start[partition] ?? (coversAfter === 0 ? 0 : (first[partition] ?? coversAfter));
  };

  return {
    reachesBackTo(places) {
      const partitions = new Set(
        [...Object.keys(places), ...Object.keys(tail.coversAfter), ...Object.keys(start)].map(Number),
      );
      return [...partitions].every((partition) => startOf(partition) <= (places[partition]?.position ?? 0));
    },
    behind: (places, match, key) =>
      cutSlice(
        {
          messages: held
            .of(match, key)
            .filter(({ partition, position }) => position > (places[partition]?.position ?? 0)),
          through: { ...places, ...mapPartitions(through, (position, partition) => times.place(partition, position)) },
          isWhole: true,
        },
        places,
      ),
    caughtUp: async () => seeAll(await tail.caughtUp()),
    inTopic: (places) =>
      mapPartitions(places, (place, partition) =>
        place.position > (through[partition] ?? 0) || times.contradicts(partition, place) ? { position: 0 } : place,
      ),
    has: (id) => ids.has(id),
    listen(match, key, listener) {
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
