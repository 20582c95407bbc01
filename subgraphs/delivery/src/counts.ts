/** One number per key, which starts at 0. A key with the number 0 takes no memory. */
export interface Counts {
  /** Returns the number of a key; 0 for null. */
  of(key: string | null): number;
  /** Adds `change` to the number of a key. Does nothing for null. */
  add(key: string | null, change: number): void;
}

export function createCounts(): Counts {
  const counts = new Map<string, number>();
  return {
    of: (key) => (key === null ? 0 : (counts.get(key) ?? 0)),
    add(key, change) {
      if (key === null) return;
      const count = (counts.get(key) ?? 0) + change;
      if (count === 0) counts.delete(key);
      else counts.set(key, count);
    },
  };
}
