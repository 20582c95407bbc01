import { type Requester, type Waiting, WaitQueue, type WaitQueueOptions } from './wait-queue.ts';

export interface LoopShareOptions extends WaitQueueOptions {
  /** Share of the event loop's time for the work, above 0 and at most 1. Default: 0.25. */
  share?: number;
  /** Milliseconds of work that may run without a wait after an idle time. Default: 5. */
  burstMs?: number;
}

export interface LoopWork {
  requester: Requester;
  /** Memory that the request takes while it waits, in bytes. */
  bytes: number;
  /**
   * Estimated time that the caller blocks the event loop after `work`. This time also counts against the share.
   * Default: 0.
   */
  followingMs?: number;
}

/**
 * Limits work to a share of the event loop's time, so that other work continues under load. Waiting requesters take
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
   * The time from which the share allows new work. With a share of 0.25, 5 ms of work move this time by 20 ms. With
   * `burstMs`, new work may start earlier than this time.
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
