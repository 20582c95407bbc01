import { type Requester, type Waiting, WaitingLine, type WaitingLineOptions } from './waiting-line.ts';

export interface LoopShareOptions extends WaitingLineOptions {
  /** Part of the event loop's time that the work may take, above 0 and at most 1. Default: 0.25. */
  share?: number;
  /** Work of this many milliseconds may run at once after a quiet time. Default: 5. */
  burstMs?: number;
}

export interface LoopWork {
  requester: Requester;
  /** What it holds in memory while it waits. */
  bytes: number;
  /** Time of the loop that follows the work and is due to it, in milliseconds, as far as it is known. Default: 0. */
  followingMs?: number;
}

/**
 * Runs work for many requesters on the event loop, within a share of its time: however much they ask for, what is not
 * theirs goes on. Requesters take turns.
 */
export interface LoopShare {
  /**
   * Runs synchronous work when its turn has come: at once, unless much was run just before.
   *
   * @throws CodedError SERVICE_UNAVAILABLE (retryable) when too much waits, or the requester has left; what the work throws
   */
  run<T>(work: () => T, options: LoopWork): Promise<T>;
}

interface WaitingWork extends Waiting {
  run(): void;
}

export function createLoopShare({ share = 0.25, burstMs = 5, ...limits }: LoopShareOptions = {}): LoopShare {
  const line = new WaitingLine<WaitingWork>(limits);
  /** By then the loop has had for others what it owes them for the work so far. */
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
    // One at a time, so that others have their turn in between, whatever is owed.
    line.shift()?.run();
    schedule();
  };
  const schedule = () => {
    if (timer === null && line.size > 0) timer = setTimeout(runNext, Math.max(0, Math.ceil(waitMs())));
  };

  return {
    async run(work, { requester, bytes, followingMs = 0 }) {
      if (line.size === 0 && waitMs() <= 0) return account(work, followingMs);
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof work>>();
      line.add(requester, {
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
