/** Bounds what runs at once. */
export interface Slots {
  /** Takes `count` slots if so many are free now. */
  tryTake(count: number): boolean;
  /** Takes one slot as soon as one is free; rejects with the signal's reason when it aborts first. */
  take(signal: AbortSignal): Promise<void>;
  /** Gives one back. */
  release(): void;
  /** Resolves when all are free. */
  idle(): Promise<void>;
}

export function createSlots(total: number): Slots {
  let free = total;
  const takers = new Set<() => void>();
  const idlers = new Set<() => void>();
  return {
    tryTake(count) {
      if (free < count) return false;
      free -= count;
      return true;
    },
    take(signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        if (free > 0) {
          free -= 1;
          return resolve();
        }
        const given = () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        };
        const onAbort = () => {
          takers.delete(given);
          reject(signal.reason);
        };
        takers.add(given);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    },
    release() {
      const [next] = takers;
      if (next) {
        takers.delete(next);
        return next();
      }
      free += 1;
      if (free < total) return;
      for (const resolve of idlers) resolve();
      idlers.clear();
    },
    idle() {
      return new Promise((resolve) => {
        if (free === total) resolve();
        else idlers.add(resolve);
      });
    },
  };
}
