import type { TopicMessage } from './topic-window.ts';

/**
 * The last messages of a topic, found by a field's value. Adding one costs the same however many are held, and finding
 * some costs what is found: thousands come again at once when a gateway has been restarted.
 */
export class HeldMessages {
  readonly #size: number;
  /** In order, from `#first` on; what is ahead of that was let go of. */
  #queue: (TopicMessage | undefined)[] = [];
  #first = 0;
  /** By field, then value; a field's part is made when it is first asked for. */
  readonly #index = new Map<string, Map<unknown, TopicMessage[]>>();

  constructor(size: number) {
    this.#size = size;
  }

  /** Returns what is let go of to make room. */
  add(message: TopicMessage): TopicMessage | undefined {
    this.#queue.push(message);
    for (const [field, byValue] of this.#index) insert(byValue, message.value[field], message);
    return this.#queue.length - this.#first > this.#size ? this.#letGo() : undefined;
  }

  #letGo(): TopicMessage | undefined {
    const oldest = this.#queue[this.#first];
    this.#queue[this.#first] = undefined;
    this.#first += 1;
    // Moved to the front once as many were let go of as are held.
    if (this.#first > this.#size) {
      this.#queue = this.#queue.slice(this.#first);
      this.#first = 0;
    }
    for (const [field, byValue] of this.#index) {
      const value = oldest?.value[field];
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

function insert(byValue: Map<unknown, TopicMessage[]>, value: unknown, message: TopicMessage): void {
  const ofValue = byValue.get(value);
  if (ofValue) ofValue.push(message);
  else byValue.set(value, [message]);
}
