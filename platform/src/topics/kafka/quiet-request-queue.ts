import type { Log } from '../../log.ts';
import { amendOnce } from './amend-once.ts';

/**
 * Has kafkajs look through a connection's requests when one waits or the broker throttles, and not a thousand times a
 * second for as long as the connection is open: that was two thirds of what an idle service costs. Those time-outs are
 * negative, too, which Node warns of. Once is enough; more is harmless.
 *
 * @see https://github.com/tulios/kafkajs/issues/1704, https://github.com/tulios/kafkajs/issues/1751
 */
export function quietRequestQueue(log?: Log): void {
  amendOnce(
    {
      path: 'kafkajs/src/network/requestQueue',
      method: 'scheduleCheckPendingRequests',
      writtenFor: '04347ea969c6f2e3754427c0cbaee0bd4ce947fbd82f7b6e027506a06dfc581a',
      without: 'an idle connection takes processor time',
      amend: (schedule) =>
        function () {
          if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
        },
    },
    log,
  );
}
