import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitForOptions {
  /** Time-out in milliseconds. Default: 120,000. */
  withinMs?: number;
  /** Delay after a check in milliseconds. Default: 50. */
  everyMs?: number;
  /** A figure that changes with each progress: the time-out counts from its last change. */
  progress?: () => unknown;
}

/**
 * Polls the state of another process until `read` returns something else than null, undefined and false. Resolves with
 * that, or with null after the time-out. Where there is an event, await the event; in a test, `expect.poll` shows more.
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
