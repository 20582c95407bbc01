import { setTimeout as sleep } from 'node:timers/promises';

type Close = () => Promise<void> | void;

/** The long-lived connections of this process, whatever their transport: counted, and let go of in the end. */
export interface OpenConnections {
  readonly count: number;
  readonly isDraining: boolean;
  /**
   * Adds one, until disposed.
   *
   * @param close tells the client to come again and closes; resolves once that is done. Called once, when it is its
   *   turn in the drain
   */
  add(close: Close): Disposable;
  /**
   * Closes all, spread over the window, so that those who come again do not come together. Few are closed sooner:
   * at least a hundred a second. New ones that are added meanwhile are closed at once.
   */
  drain(windowMs: number): Promise<void>;
}

const leastPerSecond = 100;

export function createOpenConnections(): OpenConnections {
  const open = new Set<Close>();
  let isDraining = false;
  return {
    get count() {
      return open.size;
    },
    get isDraining() {
      return isDraining;
    },
    add(close) {
      // Not before the caller has what it disposes of it by.
      if (isDraining) queueMicrotask(() => void close());
      else open.add(close);
      return new Counted(open, close);
    },
    async drain(windowMs) {
      isDraining = true;
      const total = open.size;
      const startedAt = performance.now();
      const stepMs = Math.min(windowMs / Math.max(1, total), 1_000 / leastPerSecond);
      const closing: (Promise<void> | void)[] = [];
      for (const [index, close] of [...open].entries()) {
        const dueInMs = index * stepMs - (performance.now() - startedAt);
        // A timer is not finer than a millisecond: those who are due are closed together.
        if (dueInMs >= 1) await sleep(dueInMs);
        if (open.delete(close)) closing.push(close());
      }
      await Promise.allSettled(closing);
    },
  };
}

/** A class, for there are as many as connections. */
class Counted implements Disposable {
  readonly #open: Set<Close>;
  readonly #close: Close;

  constructor(open: Set<Close>, close: Close) {
    this.#open = open;
    this.#close = close;
  }

  [Symbol.dispose](): void {
    this.#open.delete(this.#close);
  }
}
