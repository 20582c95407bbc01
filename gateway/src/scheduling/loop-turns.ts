import { type Requester, type Waiting, WaitQueue, type WaitQueueOptions } from './wait-queue.ts';

export interface LoopTurnsOptions extends WaitQueueOptions {
  /** Operations that start per turn of the event loop. Default: 8. */
  perTurn?: number;
}

/**
 * Starts a few operations per turn of the event loop, and requesters take turns. If one requester sends a thousand
 * operations at once, another one's operation waits for only a few of them.
 */
export interface LoopTurns {
  /** Starts the operation now, if it may; without a promise. */
  tryEnter(): boolean;
  /**
   * Resolves when the operation may start: at once, unless `perTurn` have started in this turn of the event loop.
   *
   * @param bytes memory that it takes while it waits
   * @param describeRequester called only if the operation has to wait
   * @throws CodedError SERVICE_UNAVAILABLE (retryable) if the queue is full, or the requester has left
   */
  enter(bytes: number, describeRequester: () => Requester): Promise<void>;
}

interface WaitingOperation extends Waiting {
  begin(): void;
}

export function createLoopTurns({ perTurn = 8, ...limits }: LoopTurnsOptions = {}): LoopTurns {
  const queue = new WaitQueue<WaitingOperation>(limits);
  let begun = 0;
  let isTurnAwaited = false;
  const awaitTurn = () => {
    if (isTurnAwaited) return;
    isTurnAwaited = true;
    setImmediate(onTurn);
  };
  const onTurn = () => {
    isTurnAwaited = false;
    begun = 0;
    while (begun < perTurn && queue.size > 0) {
      begun += 1;
      queue.shift()?.begin();
    }
    if (begun > 0) awaitTurn();
  };
  const tryEnter = () => {
    if (begun >= perTurn || queue.size > 0) return false;
    begun += 1;
    awaitTurn();
    return true;
  };
  return {
    tryEnter,
    async enter(bytes, describeRequester) {
      if (tryEnter()) return;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      queue.add(describeRequester(), { bytes, reject, begin: resolve });
      awaitTurn();
      return promise;
    },
  };
}
