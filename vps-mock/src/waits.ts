import type { Clock } from '@voucher-gateway/platform/clock';

/** Waits on a clock that all end together. */
export interface Waits extends Disposable {
  /** Resolves after `delayMs`; rejects with an AbortError once these are disposed of. */
  wait(delayMs: number): Promise<void>;
}

/**
 * For many thousand orders: as listeners of one AbortSignal each would be compared with all the others, when it is
 * added and when it is removed.
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
