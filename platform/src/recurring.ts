import type { Clock } from './clock.ts';

export interface RecurringOptions {
  clock: Clock;
  /** From the end of a turn to the next one, in milliseconds. */
  everyMs: number;
  /** One turn. The signal aborts when it is to end early. */
  work(signal: AbortSignal): Promise<void>;
  /** Called with what a turn has failed by; the next one comes all the same. */
  onFailure(error: unknown): void;
}

/** Works now and then, one turn at a time, the first after `everyMs`; disposing ends and awaits the turn that runs. */
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
