import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitForOptions {
  /** Time-out in milliseconds. Default: 120,000. */
  withinMs?: number;
  /** Delay between two checks in milliseconds. Default: 50. */
  everyMs?: number;
  /** Returns a value that changes when there is progress. Each change restarts the time-out. */
  progress?: () => unknown;
}

/**
 * Polls until `read` returns a value other than null, undefined and false. Resolves with this value, or with null after
 * the time-out. Use it only for the state of another process: in all other cases await an event, or use `expect.poll`,
 * which reports more.
 */
export async function waitFor<T>(
  read: () => T | Promise<T>,
  { withinMs = 120_000, everyMs = 50, progress = () => null }: WaitForOptions = {},
): Promise<Exclude<T, undefined | false> | null> {
  let [seen, sinceMs] = [progress(), performance.now()];
  for (;;) {
    const value = await read();
    if (value !== null && value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
    const now = progress();
    if (now !== seen) [seen, sinceMs] = [now, performance.now()];
    if (performance.now() - sinceMs > withinMs) return null;
    await sleep(everyMs);
  }
}
