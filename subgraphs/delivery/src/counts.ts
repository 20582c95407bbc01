/** A number per key; keys with 0 take no memory. */
export interface Counts {
  /** 0 for null. */
  of(key: string | null): number;
  /** Ignores null. */
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
