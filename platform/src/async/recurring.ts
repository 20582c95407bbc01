import type { Clock } from './clock.ts';

export interface RecurringOptions {
  clock: Clock;
  /** Pause between two runs, in milliseconds. */
  everyMs: number;
  /** Does one run. The signal aborts at stop. */
  work(signal: AbortSignal): Promise<void>;
  /** Called with the error of a failed run; the next run follows regardless. */
  onFailure(error: unknown): void;
}

/**
 * Repeats work, one run at a time. The first run starts after `everyMs`. Disposing aborts and awaits the current run.
 */
export function startRecurring({ clock, everyMs, work, onFailure }: RecurringOptions): AsyncDisposable {
  const stop = new AbortController();
  let timer: Disposable | undefined;
  let turn: Promise<void> = Promise.resolve();
  const schedule = () => {
    timer = clock.setTimer(everyMs, () => {
      turn = runTurn();
    });
  };
  const runTurn = async () => {
    try {
      await work(stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) onFailure(error);
    }
    if (!stop.signal.aborted) schedule();
  };
  schedule();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort(new DOMException('It stops', 'AbortError'));
      timer?.[Symbol.dispose]();
      await turn;
    },
  };
}
