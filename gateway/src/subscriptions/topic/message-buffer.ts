import { bytesOf, type TopicMessage } from './message.ts';

export interface MessageBounds {
  maxCount: number;
  /** Approximate memory of all messages (`bytesOf`). */
  maxBytes: number;
}

/**
 * A bounded buffer of a topic's last messages, indexed by field value. Adding a message takes constant time. The time
 * of a look-up depends only on the number of found messages, so that thousands of clients can resume at the same time.
 */
export class MessageBuffer {
  readonly #bounds: MessageBounds;
  /** Messages in order. Entries before index `#first` were evicted. */
  #queue: (TopicMessage | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  /** Messages by field, then value. The index of a field is created by the first look-up of that field. */
  readonly #index = new Map<string, Map<unknown, TopicMessage[]>>();

  constructor(bounds: MessageBounds) {
    this.#bounds = bounds;
  }

  add(message: TopicMessage): void {
    this.#queue.push(message);
    this.#bytes += bytesOf(message);
    for (const [field, byValue] of this.#index) insert(byValue, message.value[field], message);
  }

  /** Evicts and returns the oldest message if a bound is exceeded, else returns undefined. */
  evict(): TopicMessage | undefined {
    const { maxCount, maxBytes } = this.#bounds;
    if (this.#queue.length - this.#first <= maxCount && this.#bytes <= maxBytes) return undefined;
    const oldest = this.#queue[this.#first];
    if (!oldest) return undefined;
    this.#queue[this.#first] = undefined;
    this.#first += 1;
    this.#bytes -= bytesOf(oldest);
    // Compacts the array after every `maxCount` evictions, so that eviction takes amortised constant time.
    if (this.#first > maxCount) {
      this.#queue = this.#queue.slice(this.#first);
      this.#first = 0;
    }
    for (const [field, byValue] of this.#index) {
      const value = oldest.value[field];
      const ofValue = byValue.get(value);
      ofValue?.shift();
      if (ofValue?.length === 0) byValue.delete(value);
    }
    return oldest;
  }

  /** Returns the messages whose field has this value, in order. */
  of(field: string, value: unknown): readonly TopicMessage[] {
    let byValue = this.#index.get(field);
    if (!byValue) {
      byValue = new Map();
      for (const message of this.all()) insert(byValue, message.value[field], message);
      this.#index.set(field, byValue);
    }
    return byValue.get(value) ?? [];
  }

  /** Iterates over all messages, in order. */
  *all(): Iterable<TopicMessage> {
    for (const message of this.#queue) if (message) yield message;
  }
}

function insert(byValue: Map<unknown, TopicMessage[]>, value: unknown, message: TopicMessage): void {
  const ofValue = byValue.get(value);
  if (ofValue) ofValue.push(message);
  else byValue.set(value, [message]);
}
