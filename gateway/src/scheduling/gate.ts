import { type Requester, type Waiting, WaitQueue, type WaitQueueOptions } from './wait-queue.ts';

export interface GateOptions extends WaitQueueOptions {
  /** Number of permits. */
  atOnce: number;
}

/** A semaphore. Callers wait for a permit in a bounded queue, in which requesters take turns. */
export interface Gate {
  /** Returns a permit if one is free, else null. */
  tryEnter(): Disposable | null;
  /**
   * Resolves with a permit. Disposing the permit passes it to the next waiting requester.
   *
   * @param bytes memory that the request takes while it waits
   * @throws CodedError SERVICE_UNAVAILABLE (retryable) if the queue is full, or the requester has left
   */
  enter(requester: Requester, bytes: number): Promise<Disposable>;
}

interface WaitingEntry extends Waiting {
  enter(): void;
}

export function createGate({ atOnce, ...limits }: GateOptions): Gate {
  const queue = new WaitQueue<WaitingEntry>(limits);
  let free = atOnce;
  const turn = (): Disposable => {
    let isOver = false;
    return {
      [Symbol.dispose]() {
        if (isOver) return;
        isOver = true;
        const next = queue.shift();
        if (next) next.enter();
        else free += 1;
      },
    };
  };
  const tryEnter = () => {
    if (free === 0) return null;
    free -= 1;
    return turn();
  };
  return {
    tryEnter,
    async enter(requester, bytes) {
      const free = tryEnter();
      if (free) return free;
      const { promise, resolve, reject } = Promise.withResolvers<Disposable>();
      queue.add(requester, { bytes, reject, enter: () => resolve(turn()) });
      return promise;
    },
  };
}
