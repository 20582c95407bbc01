import { createSlots } from '@voucher-gateway/platform/slots';

/** Runs so many calls at once; others wait in their order. */
export interface CallQueue {
  /**
   * Runs a call when its turn has come.
   *
   * @param bytes what it holds in memory while it waits
   * @throws QueueFullError at once where too much waits; the signal's reason when it aborts before the call has ended
   */
  run<T>(call: () => Promise<T>, options: { bytes: number; signal: AbortSignal }): Promise<T>;
}

export interface CallQueueOptions {
  /** Calls at once. */
  maxRunning: number;
  /** Calls that may wait. */
  maxWaiting: number;
  /** Bytes that calls may hold while they wait. */
  maxWaitingBytes: number;
}

export class QueueFullError extends Error {
  readonly code = 'QUEUE_FULL';
}

export function createCallQueue({ maxRunning, maxWaiting, maxWaitingBytes }: CallQueueOptions): CallQueue {
  const slots = createSlots(maxRunning);
  let waiting = 0;
  let waitingBytes = 0;

  const takeTurn = async (bytes: number, signal: AbortSignal) => {
    if (slots.tryTake(1)) return;
    if (waiting >= maxWaiting || waitingBytes + bytes > maxWaitingBytes)
      throw new QueueFullError(`${waiting} calls wait already, with ${waitingBytes} bytes`);
    waiting += 1;
    waitingBytes += bytes;
    try {
      await slots.take(signal);
    } finally {
      waiting -= 1;
      waitingBytes -= bytes;
    }
  };

  return {
    async run(call, { bytes, signal }) {
      signal.throwIfAborted();
      await takeTurn(bytes, signal);
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      const onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      // Its turn lasts until it has ended, though its caller has left.
      const result = call().finally(slots.release);
      try {
        return await Promise.race([result, aborted]);
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    },
  };
}
