import { type Requester, type Waiting, WaitQueue, type WaitQueueOptions } from './wait-queue.ts';

export interface LoopTurnsOptions extends WaitQueueOptions {
  /** Number of operations that may start per turn of the event loop. Default: 8. */
  perTurn?: number;
  /**
   * After a short turn, the next turn may start twice as many operations, up to this number. After a long turn, the
   * next turn may start `perTurn` operations. Default: `perTurn`.
   */
  maxPerTurn?: number;
}

/**
 * A turn of the event loop is short if it took less than this time. After a short turn, the next turn may start twice
 * as many operations.
 */
const shortTurnMs = 4;

/**
 * Starts a few operations per turn of the event loop, and requesters take turns. If one requester sends a thousand
 * operations at the same time, an operation of another requester waits for only a few of them.
 */
export interface LoopTurns {
  /** Returns whether the operation may start now. Creates no promise, unlike `enter`. */
  tryEnter(): boolean;
  /**
   * Resolves when the operation may start. If this turn of the event loop may start no more operations, the operation
   * waits for a later turn.
   *
   * @param bytes memory that the operation takes while it waits
   * @param describeRequester called only if the operation has to wait
   * @throws CodedError SERVICE_UNAVAILABLE (retryable) if the queue is full, or the requester has left
   */
  enter(bytes: number, describeRequester: () => Requester): Promise<void>;
}

interface WaitingOperation extends Waiting {
  begin(): void;
}

export function createLoopTurns({ perTurn = 8, maxPerTurn = perTurn, ...limits }: LoopTurnsOptions = {}): LoopTurns {
  const queue = new WaitQueue<WaitingOperation>(limits);
  let begun = 0;
  let isTurnAwaited = false;
  /** Number of operations that may start in this turn. */
  let allowed = perTurn;
  let turnSinceMs = 0;
  const awaitTurn = () => {
    if (isTurnAwaited) return;
    isTurnAwaited = true;
    setImmediate(onTurn);
  };
  const onTurn = () => {
    isTurnAwaited = false;
    begun = 0;
    const now = performance.now();
    allowed = now - turnSinceMs < shortTurnMs ? Math.min(2 * allowed, maxPerTurn) : perTurn;
    turnSinceMs = now;
    while (begun < allowed && queue.size > 0) {
      begun += 1;
      queue.shift()?.begin();
    }
    if (begun > 0) awaitTurn();
  };
  const tryEnter = () => {
    if (begun >= allowed || queue.size > 0) return false;
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
