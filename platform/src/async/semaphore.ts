/** Limits concurrency by a number of permits. */
export interface Semaphore {
  /** Acquires `count` permits if that many are available now. */
  tryAcquire(count: number): boolean;
  /** Acquires one permit when one is available; rejects with the signal's reason if it aborts first. */
  acquire(signal: AbortSignal): Promise<void>;
  release(): void;
  /** Resolves when all permits are available. */
  idle(): Promise<void>;
}

export function createSemaphore(total: number): Semaphore {
  let free = total;
  const waiters = new Set<() => void>();
  const idlers = new Set<() => void>();
  return {
    tryAcquire(count) {
      if (free < count) return false;
      free -= count;
      return true;
    },
    acquire(signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        if (free > 0) {
          free -= 1;
          return resolve();
        }
        const onAcquired = () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        };
        const onAbort = () => {
          waiters.delete(onAcquired);
          reject(signal.reason);
        };
        waiters.add(onAcquired);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    },
    release() {
      const [next] = waiters;
      if (next) {
        waiters.delete(next);
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
