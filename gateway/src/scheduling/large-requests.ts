import { createGate, type Gate } from './gate.ts';
import type { Requester, WaitQueueOptions } from './wait-queue.ts';

/**
 * Maximum bytes of a small request. A request with more bytes is called large. Web clients rarely send large requests:
 * their operations are small, or persisted and sent as a hash.
 */
export const maxSmallBytes = 8_192;

export interface LargeRequestsOptions extends WaitQueueOptions {
  /**
   * Maximum number of large requests per requester that are parsed but not executed yet. Further requests wait
   * unparsed. Default: 4.
   */
  atOnce?: number;
}

/**
 * Limits how many large requests of one requester are prepared concurrently. Further large requests wait as received
 * bytes, because a parsed request takes several times the memory. With many of them on the heap, garbage collection
 * would delay all requests.
 */
export interface LargeRequests {
  /**
   * Resolves when the request may be parsed. The caller disposes the returned value when the execution starts, or when
   * the request has failed.
   *
   * @throws CodedError SERVICE_UNAVAILABLE (retryable) if the queue is full, or the requester has left
   */
  enter(requester: Requester, bytes: number): Promise<Disposable>;
}

export function createLargeRequests({ atOnce = 4, ...limits }: LargeRequestsOptions = {}): LargeRequests {
  /** The gates of requesters with waiting or admitted requests, by the requester's name. */
  const gates = new Map<string, { gate: Gate; users: number }>();
  return {
    async enter(requester, bytes) {
      const { name } = requester;
      const own = gates.get(name) ?? { gate: createGate({ atOnce, ...limits }), users: 0 };
      gates.set(name, own);
      own.users += 1;
      using leaving = new DisposableStack();
      leaving.defer(() => {
        own.users -= 1;
        if (own.users === 0) gates.delete(name);
      });
      leaving.use(await own.gate.enter(requester, bytes));
      return leaving.move();
    },
  };
}
