import type { ServerResponse } from 'node:http';

/** Complete responses on their way to their clients. Disposing forgets them. */
export interface Deliveries extends Disposable {
  /** Cuts off a response that is not delivered within the time. */
  add(response: ServerResponse): void;
  delete(response: ServerResponse): void;
}

/** Slow clients are looked for this often. A timer per response costs more than the delivery of most. */
const looksPerTimeout = 20;

/** @param timeoutMs from a complete response to the delivery of its last byte; up to a twentieth more */
export function createDeliveries(timeoutMs: number): Deliveries {
  /** The time until which each is delivered, in the order in which they were added. */
  const deadlines = new Map<ServerResponse, number>();
  const timer = setInterval(() => {
    const now = performance.now();
    for (const [response, deadline] of deadlines) {
      // Some are closed without having been finished.
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
