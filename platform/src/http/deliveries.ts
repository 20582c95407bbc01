import type { ServerResponse } from 'node:http';

/** Tracks responses that are written completely but not yet received by their clients. Disposing stops the tracking. */
export interface Deliveries extends Disposable {
  /** Destroys the connection if the response is not delivered within the time limit. */
  add(response: ServerResponse): void;
  delete(response: ServerResponse): void;
}

/**
 * How often slow clients are searched for within one time-out. A timer per response would cost more than delivering
 * most responses.
 */
const looksPerTimeout = 20;

/** @param timeoutMs limit for a client to receive a complete response. A slow client may be found up to 5 % later */
export function createDeliveries(timeoutMs: number): Deliveries {
  /** The deadline of each response, in the order of adding. */
  const deadlines = new Map<ServerResponse, number>();
  const timer = setInterval(() => {
    const now = performance.now();
    for (const [response, deadline] of deadlines) {
      // A response is already closed if its client has disconnected.
      if (response.closed) deadlines.delete(response);
      else if (deadline <= now) {
        deadlines.delete(response);
        response.destroy();
      }
    }
  }, timeoutMs / looksPerTimeout).unref();
  return {
    add(response) {
      if (!response.closed) deadlines.set(response, performance.now() + timeoutMs);
    },
    delete: (response) => void deadlines.delete(response),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
