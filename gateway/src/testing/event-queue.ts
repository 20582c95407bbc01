/** A queue of events with one reader. */
export interface EventQueue<T> {
  push(event: T): void;
  /** Ends the stream after the queued events. With an error, the reader's `next` rejects after the last event. */
  end(error?: unknown): void;
  /** Resolves when all events have been read, or the reader has left. */
  drained(): Promise<void>;
  /** The stream, for one reader. Its `return` calls `onReturn`. */
  readonly events: AsyncGenerator<T, void, void>;
}

/** Creates a queue. `onReturn` is called once, when the reader leaves or the stream ends. */
export function createEventQueue<T>(onReturn: () => void): EventQueue<T> {
  const queued: T[] = [];
  let state: { ended: boolean; error?: unknown } = { ended: false };
  let wake: (() => void) | undefined;
  let left = false;
  let onDrained: (() => void) | undefined;
  const leave = () => {
    if (left) return;
    left = true;
    queued.length = 0;
    onReturn();
    wake?.();
    onDrained?.();
  };
  const events: AsyncGenerator<T, void, void> = {
    async next() {
      while (queued.length === 0 && !state.ended && !left) {
        onDrained?.();
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const value = queued.shift();
      if (value !== undefined) return { value, done: false };
      const { error } = state;
      state = { ended: true };
      leave();
      if (error !== undefined) throw error;
      return { value: undefined, done: true };
    },
    async return() {
      leave();
      return { value: undefined, done: true };
    },
    async throw(error) {
      leave();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      leave();
    },
  };
  return {
    events,
    drained: () =>
      new Promise((resolve) => {
        onDrained = resolve;
        if (left || queued.length === 0) resolve();
      }),
    push(event) {
      if (left || state.ended) return;
      queued.push(event);
      wake?.();
    },
    end(error) {
      if (state.ended) return;
      state = { ended: true, error };
      wake?.();
    },
  };
}
