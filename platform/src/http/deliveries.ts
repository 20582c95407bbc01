import type { ServerResponse } from 'node:http';

/** Tracks complete responses that their clients have not received yet. Disposing stops this. */
export interface Deliveries extends Disposable {
  /** Destroys the connection if the response is not delivered within the time. */
  add(response: ServerResponse): void;
  delete(response: ServerResponse): void;
}

/**
 * How often per time-out slow clients are looked for. A timer per response would cost more than delivering most
 * responses.
 */
const looksPerTimeout = 20;

/**
 * @param timeoutMs time from a complete response to the delivery of its last byte; the check may be up to a twentieth
 *   later
 */
export function createDeliveries(timeoutMs: number): Deliveries {
  /** The deadline of each response, in the order of adding. */
  const deadlines = new Map<ServerResponse, number>();
  const timer = setInterval(() => {
    const now = performance.now();
    for (const [response, deadline] of deadlines) {
      // A response may be closed without having been finished.
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
