import { FairQueue } from '../scheduling/fair-queue.ts';

/** Limits concurrent calls; more wait. Callers take turns, so that one with many calls does not delay the others. */
export interface CallQueue {
  /**
   * Runs a call, when it is its turn.
   *
   * @throws QueueFullError if the queue is full and this requester has the most calls in it; the signal's reason if it
   *   aborts before the call has ended
   */
  run<T>(call: () => Promise<T>, options: CallOptions): Promise<T>;
}

export interface CallOptions {
  /** The client's address: requesters take turns. */
  requester: string;
  /** Memory that it takes while it waits. */
  bytes: number;
  signal: AbortSignal;
}

export interface CallQueueOptions {
  /** Concurrent calls. */
  maxRunning: number;
  /** Calls that may wait. */
  maxWaiting: number;
  /** Bytes of the calls that may wait. */
  maxWaitingBytes: number;
}

export class QueueFullError extends Error {
  readonly code = 'QUEUE_FULL';
}

interface WaitingCall {
  readonly bytes: number;
  start(): void;
  refuse(error: QueueFullError): void;
}

export function createCallQueue({ maxRunning, maxWaiting, maxWaitingBytes }: CallQueueOptions): CallQueue {
  const waiting = new FairQueue<WaitingCall>();
  let running = 0;
  let waitingBytes = 0;

  const leave = (call: WaitingCall | undefined): WaitingCall | undefined => {
    waitingBytes -= call?.bytes ?? 0;
    return call;
  };
  const full = () => new QueueFullError(`${waiting.size} calls wait already, with ${waitingBytes} bytes`);
  const takeTurn = ({ requester, bytes, signal }: CallOptions): Promise<void> => {
    if (running < maxRunning) {
      running += 1;
      return Promise.resolve();
    }
    if (maxWaiting === 0 || bytes > maxWaitingBytes) return Promise.reject(full());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const end = (report: () => void) => {
      signal.removeEventListener('abort', onAbort);
      report();
    };
    const call: WaitingCall = { bytes, start: () => end(resolve), refuse: (error) => end(() => reject(error)) };
    const onAbort = () => {
      if (waiting.delete(requester, call)) leave(call);
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    waiting.push(requester, call);
    waitingBytes += bytes;
    // Evicts from the requester that fills the queue, not the newcomer.
    while (waiting.size > maxWaiting || waitingBytes > maxWaitingBytes) leave(waiting.evict())?.refuse(full());
    return promise;
  };
  const giveTurn = () => {
    const next = leave(waiting.shift());
    if (next) next.start();
    else running -= 1;
  };

  return {
    async run(call, options) {
      const { signal } = options;
      signal.throwIfAborted();
      await takeTurn(options);
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      const onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      // A call counts as running until it has ended, even if its caller has left.
      const result = call().finally(giveTurn);
      try {
        return await Promise.race([result, aborted]);
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    },
  };
}
