import { type Requester, type Waiting, WaitQueue, type WaitQueueOptions } from './wait-queue.ts';

export interface LoopShareOptions extends WaitQueueOptions {
  /** Share of the event loop's time for the work, above 0 and at most 1. Default: 0.25. */
  share?: number;
  /** After an idle time, this many milliseconds of work may run before work has to wait. Default: 5. */
  burstMs?: number;
}

export interface LoopWork {
  requester: Requester;
  /** Memory that the request takes while it waits, in bytes. */
  bytes: number;
  /**
   * Estimated time that the caller blocks the event loop after `work`. It also counts against the share. Default: 0.
   */
  followingMs?: number;
}

/**
 * Runs work within a share of the event loop's time, so that other work continues under load. Waiting requesters take
 * turns.
 */
export interface LoopShare {
  /**
   * Runs synchronous work: immediately if the share is not used up, else when the requester's turn comes.
   *
   * @throws CodedError SERVICE_UNAVAILABLE (retryable) if the queue is full, or the requester has left; any error of
   *   the work
   */
  run<T>(work: () => T, options: LoopWork): Promise<T>;
}

interface WaitingWork extends Waiting {
  run(): void;
}

export function createLoopShare({ share = 0.25, burstMs = 5, ...limits }: LoopShareOptions = {}): LoopShare {
  const queue = new WaitQueue<WaitingWork>(limits);
  /**
   * Work that took 5 ms uses up a share of 0.25 for 20 ms. This is the time until which all work so far has used up the
   * share. New work may start at this time, or before it as far as `burstMs` allows.
   */
  let isPaidAtMs = 0;
  let timer: NodeJS.Timeout | null = null;

  const waitMs = () => isPaidAtMs - burstMs / share - performance.now();
  const account = <T>(work: () => T, followingMs: number): T => {
    const startedAtMs = performance.now();
    try {
      return work();
    } finally {
      const tookMs = performance.now() - startedAtMs + followingMs;
      isPaidAtMs = Math.max(isPaidAtMs, startedAtMs) + tookMs / share;
    }
  };
  const runNext = () => {
    timer = null;
    // Each turn of the event loop runs one item, so that other work runs in between.
    queue.shift()?.run();
    schedule();
  };
  const schedule = () => {
    if (timer === null && queue.size > 0) timer = setTimeout(runNext, Math.max(0, Math.ceil(waitMs())));
  };

  return {
    async run(work, { requester, bytes, followingMs = 0 }) {
      if (queue.size === 0 && waitMs() <= 0) return account(work, followingMs);
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof work>>();
      queue.add(requester, {
        bytes,
        reject,
        run() {
          try {
            resolve(account(work, followingMs));
          } catch (error) {
            reject(error);
          }
        },
      });
      schedule();
      return promise;
    },
  };
}
