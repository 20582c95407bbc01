/**
 * A clock that tests can advance. Business time (expiry, time-outs of requests) uses a Clock; technical polls and
 * retries use real timers.
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `callback` once after `delayMs`. Disposing cancels the timer. A timer does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): Disposable;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(delayMs, callback) {
    // Node would fire a timer with a delay of more than 2^31-1 ms immediately.
    const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), 2_147_483_647));
    timer.unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** Resolves after `delayMs` on the clock, or rejects with the signal's reason when it aborts first. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = () => {
      timer[Symbol.dispose]();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** An AbortSignal that aborts with a TimeoutError after `delayMs` on the clock. */
export function timeoutSignal(clock: Clock, delayMs: number): AbortSignal & Disposable {
  const controller = new AbortController();
  const timer = clock.setTimer(delayMs, () =>
    controller.abort(new DOMException(`Timed out after ${delayMs} ms`, 'TimeoutError')),
  );
  return Object.assign(controller.signal, { [Symbol.dispose]: () => timer[Symbol.dispose]() });
}

export interface TestClock extends Clock {
  /** Advances time. Timers that become due fire in order, each at its due time. */
  advance(ms: number): void;
  /** Advances time in one step, as if the process had slept: each due timer fires once, late. */
  jump(ms: number): void;
  /** Number of pending timers. */
  readonly pending: number;
  /** Resolves once at least `count` timers are pending. Tests await this before `advance`. */
  whenPending(count: number): Promise<void>;
}

/** A clock that only a test advances. Starts at `startMs` (default: the machine's time). */
export function createTestClock(startMs: number = Date.now()): TestClock {
  let now = startMs;
  let sequence = 0;
  const timers = new Map<number, { dueMs: number; callback: () => void }>();
  const waiters = new Set<{ count: number; resolve: () => void }>();
  const wake = () => {
    for (const waiter of waiters) {
      if (timers.size < waiter.count) continue;
      waiters.delete(waiter);
      waiter.resolve();
    }
  };
  return {
    now: () => now,
    setTimer(delayMs, callback) {
      const id = ++sequence;
      timers.set(id, { dueMs: now + Math.max(delayMs, 0), callback });
      wake();
      return { [Symbol.dispose]: () => void timers.delete(id) };
    },
    advance(ms) {
      const target = now + ms;
      for (;;) {
        const next = [...timers]
          .filter(([, timer]) => timer.dueMs <= target)
          .sort((a, b) => a[1].dueMs - b[1].dueMs || a[0] - b[0])[0];
        if (!next) break;
        timers.delete(next[0]);
        now = Math.max(now, next[1].dueMs);
        next[1].callback();
      }
      now = target;
    },
    jump(ms) {
      now += ms;
      for (const [id, timer] of [...timers].sort((a, b) => a[1].dueMs - b[1].dueMs)) {
        if (timer.dueMs <= now && timers.delete(id)) timer.callback();
      }
    },
    get pending() {
      return timers.size;
    },
    whenPending(count) {
      return new Promise((resolve) => {
        waiters.add({ count, resolve });
        wake();
      });
    },
  };
}
