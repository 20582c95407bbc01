import type { Log } from '../process/log.ts';
import { pause } from './pause.ts';

/** Runs `work` once a second until it succeeds, whatever the error. Resolves with false if the signal aborts first. */
export async function retryEverySecond(
  work: () => Promise<void>,
  { signal, log, fields, failing }: { signal: AbortSignal; log: Log; fields: object; failing: string },
): Promise<boolean> {
  while (!signal.aborted) {
    try {
      await work();
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      log.warn({ error, ...fields }, `${failing}; it is retried`);
      await pause(1_000, signal);
    }
  }
  return false;
}
