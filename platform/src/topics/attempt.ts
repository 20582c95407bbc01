import { errorCode } from '../errors.ts';
import type { Log } from '../log.ts';
import type { RepeatedLines } from '../repeated-lines.ts';
import { isMessageFault } from './message-fault.ts';

const firstDelayMs = 50;
const longestDelayMs = 5_000;

export interface AttemptOptions {
  signal: AbortSignal;
  lines: RepeatedLines;
  fields: object;
  /** Called after each failure that is not the message's own; true ends the attempts. */
  giveUp?(error: unknown, failingForMs: number): Promise<boolean>;
}

/**
 * Runs a message's `work` until it resolves, fails by the message's own fault, is given up, or the signal aborts. Other
 * errors are retried with exponential backoff and jitter.
 *
 * @returns `done`; `givenUp`; `stopped` when the signal aborted; `failed` with the error that is the message's fault
 */
export async function attemptUntilDone(
  work: () => Promise<void>,
  { signal, lines, fields, giveUp = async () => false }: AttemptOptions,
): Promise<{ outcome: 'done' | 'givenUp' | 'stopped' } | { outcome: 'failed'; error: unknown }> {
  let firstFailedAt: number | undefined;
  for (let attempt = 0; ; attempt += 1) {
    if (signal.aborted) return { outcome: 'stopped' };
    try {
      await work();
      return { outcome: 'done' };
    } catch (error) {
      if (signal.aborted) return { outcome: 'stopped' };
      if (isMessageFault(error)) return { outcome: 'failed', error };
      // While an engine is down every message fails: one line per code is enough.
      lines.warn(`retry ${errorCode(error)}`, { error, attempt, ...fields }, 'a message is retried');
      firstFailedAt ??= performance.now();
      if (await giveUp(error, performance.now() - firstFailedAt)) return { outcome: 'givenUp' };
      await pause(Math.min(firstDelayMs * 2 ** attempt, longestDelayMs) * (0.5 + Math.random() / 2), signal);
    }
  }
}

/** Runs `work` once a second until it resolves, whatever its error is; false when the signal aborted first. */
export async function retryEverySecond(
  work: () => Promise<void>,
  { signal, log, fields, failing }: { signal: AbortSignal; log: Log; fields: object; failing: string },
): Promise<boolean> {
  while (!signal.aborted) {
    try {
      await work();
      return true;
    } catch (error) {
      log.warn({ error, ...fields }, `${failing}; it is retried`);
      await pause(1_000, signal);
    }
  }
  return false;
}

/** Resolves after the time, or earlier when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
