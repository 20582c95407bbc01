import { LRUCache } from 'lru-cache';

/**
 * A segmented LRU cache, bounded in bytes. One segment has a quarter of the space, and gets the new values. On their
 * second use, values move to the other segment. So values that are used once do not evict values that are used more
 * often. But a new value larger than a quarter of the space goes directly to the other segment.
 *
 * @see https://en.wikipedia.org/wiki/Cache_replacement_policies#Segmented_LRU_(SLRU)
 */
export class SegmentedCache<V extends object> {
  readonly #once: LRUCache<string, Sized<V>>;
  readonly #again: LRUCache<string, Sized<V>>;
  readonly #onceBytes: number;

  constructor(maxBytes: number) {
    this.#onceBytes = Math.floor(maxBytes / 4);
    const sizeCalculation = ({ bytes }: Sized<V>) => bytes;
    this.#once = new LRUCache({ maxSize: this.#onceBytes, sizeCalculation });
    this.#again = new LRUCache({ maxSize: maxBytes - this.#onceBytes, sizeCalculation });
  }

  /** Whether the key has a value. Does not count as a use for eviction. */
  has(key: string): boolean {
    return this.#again.has(key) || this.#once.has(key);
  }

  get(key: string): V | undefined {
    const again = this.#again.get(key);
    if (again) return again.value;
    const once = this.#once.get(key);
    if (!once) return undefined;
    this.#once.delete(key);
    this.#again.set(key, once);
    return once.value;
  }

  /**
   * Stores a value. A new value that is too large for the segment of new values is stored in the other segment.
   *
   * @param bytes memory of the value
   */
  set(key: string, value: V, bytes: number): void {
    const cache = bytes > this.#onceBytes || this.#again.has(key) ? this.#again : this.#once;
    cache.set(key, { value, bytes });
  }
}

interface Sized<V> {
  value: V;
  bytes: number;
}
