import { pause } from '../async/pause.ts';
import { errorCode } from '../errors.ts';
import type { RepeatedLines } from '../process/repeated-lines.ts';
import { isMessageFault } from './message-fault.ts';

const firstDelayMs = 50;
const longestDelayMs = 5_000;

export interface AttemptOptions {
  signal: AbortSignal;
  lines: RepeatedLines;
  fields: object;
  /** Called after each failure that is not the message's fault. If it resolves with true, the attempts end. */
  giveUp?(error: unknown, failingForMs: number): Promise<boolean>;
}

/**
 * Runs a message's `work` until it succeeds, with exponential backoff and jitter. The attempts also end if an error is
 * the message's fault, if `giveUp` resolves with true, or if the signal aborts.
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
      // While the database is down, every message fails. Repeated lines are therefore summarised by error code.
      lines.warn(`retry ${errorCode(error)}`, { error, attempt, ...fields }, 'a message is retried');
      firstFailedAt ??= performance.now();
      if (await giveUp(error, performance.now() - firstFailedAt)) return { outcome: 'givenUp' };
      await pause(Math.min(firstDelayMs * 2 ** attempt, longestDelayMs) * (0.5 + Math.random() / 2), signal);
    }
  }
}
