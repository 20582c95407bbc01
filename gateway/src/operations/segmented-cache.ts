import { LRUCache } from 'lru-cache';

/**
 * A cache bounded in bytes that values used once can't empty (a segmented LRU): until its second use a value takes part
 * of the space only, and evicts nothing that has been used again.
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

  /** Whether the key has a value; this is no use of it. */
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

  /** Keeps a value of so many bytes; one larger than the part of those used once is kept with the others. */
  set(key: string, value: V, bytes: number): void {
    const cache = bytes > this.#onceBytes || this.#again.has(key) ? this.#again : this.#once;
    cache.set(key, { value, bytes });
  }
}

interface Sized<V> {
  value: V;
  bytes: number;
}
