import type { TopicMessage } from './recent-messages.ts';

export interface MessageBounds {
  maxCount: number;
  /** About as much memory as they may take (`bytesOf`). */
  maxBytes: number;
}

/**
 * The last messages of a topic, found by a field's value. Adding one costs the same however many are held, and finding
 * some costs what is found: thousands reconnect at once when a gateway has been restarted.
 */
export class MessageBuffer {
  readonly #bounds: MessageBounds;
  /** In order, from `#first` on; what is before that was evicted. */
  #queue: (TopicMessage | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  /** By field, then value; a field's part is made when it is first asked for. */
  readonly #index = new Map<string, Map<unknown, TopicMessage[]>>();

  constructor(bounds: MessageBounds) {
    this.#bounds = bounds;
  }

  add(message: TopicMessage): void {
    this.#queue.push(message);
    this.#bytes += bytesOf(message);
    for (const [field, byValue] of this.#index) insert(byValue, message.value[field], message);
  }

  /** Evicts the oldest while there are too many, or they are too large; undefined once there is room. */
  evict(): TopicMessage | undefined {
    const { maxCount, maxBytes } = this.#bounds;
    if (this.#queue.length - this.#first <= maxCount && this.#bytes <= maxBytes) return undefined;
    const oldest = this.#queue[this.#first];
    if (!oldest) return undefined;
    this.#queue[this.#first] = undefined;
    this.#first += 1;
    this.#bytes -= bytesOf(oldest);
    // Moved to the front once as many were evicted as may be held.
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

  /** Those whose field has the value, in order. */
  of(field: string, value: unknown): readonly TopicMessage[] {
    let byValue = this.#index.get(field);
    if (!byValue) {
      byValue = new Map();
      for (const message of this.all()) insert(byValue, message.value[field], message);
      this.#index.set(field, byValue);
    }
    return byValue.get(value) ?? [];
  }

  /** In order. */
  *all(): Iterable<TopicMessage> {
    for (const message of this.#queue) if (message) yield message;
  }
}

/** About what a message takes in memory, as measured: its objects, and its text in two bytes for each character. */
export function bytesOf({ textLength }: TopicMessage): number {
  return 400 + 2 * textLength;
}

function insert(byValue: Map<unknown, TopicMessage[]>, value: unknown, message: TopicMessage): void {
  const ofValue = byValue.get(value);
  if (ofValue) ofValue.push(message);
  else byValue.set(value, [message]);
}
