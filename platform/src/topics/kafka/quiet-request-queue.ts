import { amendOnce } from './amend-once.ts';

/** What of kafkajs's queue of requests is touched here; a connection has one. */
export interface RequestQueue {
  pending: unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: unknown;
  scheduleCheckPendingRequests(): void;
  destroy(): void;
}

/**
 * Has kafkajs look through a connection's requests when one waits or the broker throttles, and not a thousand times a
 * second for as long as the connection is open: that was two thirds of what an idle service costs. Those time-outs are
 * negative, too, which Node warns of. Once is enough; more is harmless.
 *
 * @see https://github.com/tulios/kafkajs/issues/1704, https://github.com/tulios/kafkajs/issues/1751
 */
export function quietRequestQueue(): new (options: object) => RequestQueue {
  return amendOnce<RequestQueue>('kafkajs/src/network/requestQueue', (prototype) => {
    const schedule = prototype.scheduleCheckPendingRequests;
    prototype.scheduleCheckPendingRequests = function () {
      if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
    };
  });
}
