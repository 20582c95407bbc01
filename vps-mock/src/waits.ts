import type { Clock } from '@voucher-gateway/platform/async/clock';

/** Timers on a clock that are all cancelled together. */
export interface Waits extends Disposable {
  /** Resolves after `delayMs`. Rejects with an AbortError on disposal. */
  wait(delayMs: number): Promise<void>;
}

/**
 * Creates timers for many thousand orders. The timers share no AbortSignal, because adding and removing listeners is
 * slow if a signal has many.
 */
export function createWaits(clock: Clock): Waits {
  const pending = new Set<() => void>();
  let isDisposed = false;
  const stopped = () => new DOMException('The provider stops', 'AbortError');
  return {
    wait(delayMs) {
      if (isDisposed) return Promise.reject(stopped());
      return new Promise((resolve, reject) => {
        const timer = clock.setTimer(delayMs, () => {
          pending.delete(end);
          resolve();
        });
        const end = () => {
          timer[Symbol.dispose]();
          reject(stopped());
        };
        pending.add(end);
      });
    },
    [Symbol.dispose]() {
      isDisposed = true;
      for (const end of pending) end();
      pending.clear();
    },
  };
}
