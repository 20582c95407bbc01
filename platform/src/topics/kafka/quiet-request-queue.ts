import { createRequire } from 'node:module';

/** What of kafkajs's queue of requests is touched here; a connection has one. */
export interface RequestQueue {
  pending: unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: unknown;
  scheduleCheckPendingRequests(): void;
  destroy(): void;
}

const isQuiet = Symbol('isQuiet');

/**
 * Has kafkajs look through a connection's requests when one waits or the broker throttles, and not a thousand times a
 * second for as long as the connection is open: that was two thirds of what an idle service costs. Those time-outs are
 * negative, too, which Node warns of. Once is enough; more is harmless.
 *
 * @see https://github.com/tulios/kafkajs/issues/1704, https://github.com/tulios/kafkajs/issues/1751
 */
export function quietRequestQueue(): new (options: object) => RequestQueue {
  const queues = createRequire(import.meta.url)('kafkajs/src/network/requestQueue');
  const { prototype } = queues;
  if (prototype[isQuiet]) return queues;
  const schedule: () => void = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
  };
  prototype[isQuiet] = true;
  return queues;
}
