import type { Positions } from '../../../topics.ts';

/** The positions up to which a tail has read each partition. Callers can wait for positions. */
export interface ReadPositions {
  readonly through: Record<number, number>;
  /** Moves a position forward, and notifies waiting callers. */
  advance(partition: number, position: number): void;
  isThrough(ends: Positions): boolean;
  /** Resolves once all of these positions have been reached. Rejects when `close` is called, with its reason. */
  untilThrough(ends: Positions): Promise<void>;
  /** Throws if `close` was called, with its reason. */
  throwIfClosed(): void;
  /** Rejects waiting callers. If `close` is called several times, the first reason counts. */
  close(reason: Error): void;
}

export function createReadPositions(start: Positions): ReadPositions {
  const through: Record<number, number> = { ...start };
  const waiting = new Set<() => void>();
  let closedBy: Error | null = null;
  const notify = () => {
    for (const look of waiting) look();
  };
  const isThrough = (ends: Positions) =>
    Object.entries(ends).every(([partition, end]) => (through[Number(partition)] ?? 0) >= end);
  return {
    through,
    isThrough,
    advance(partition, position) {
      through[partition] = Math.max(through[partition] ?? 0, position);
      notify();
    },
    untilThrough(ends) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const look = () => {
        if (isThrough(ends)) resolve();
        else if (closedBy) reject(closedBy);
      };
      waiting.add(look);
      look();
      return promise.finally(() => waiting.delete(look));
    },
    throwIfClosed() {
      if (closedBy) throw closedBy;
    },
    close(reason) {
      closedBy ??= reason;
      notify();
    },
  };
}
