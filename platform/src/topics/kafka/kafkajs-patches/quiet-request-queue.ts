import type { Log } from '../../../process/log.ts';
import { patchOnce } from './patch-once.ts';

/**
 * Patches kafkajs to check a connection's request queue only while a request waits or the broker throttles. Without the
 * patch, kafkajs checks the queue a thousand times per second. These timers took two thirds of the CPU time of an idle
 * service, and made Node warn of negative time-outs.
 *
 * @see https://github.com/tulios/kafkajs/issues/1704, https://github.com/tulios/kafkajs/issues/1751
 */
export function patchRequestQueue(log?: Log): void {
  patchOnce(
    {
      path: 'kafkajs/src/network/requestQueue',
      method: 'scheduleCheckPendingRequests',
      writtenFor: '04347ea969c6f2e3754427c0cbaee0bd4ce947fbd82f7b6e027506a06dfc581a',
      without: 'an idle connection takes CPU time',
      patch: (schedule) =>
        function () {
          if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
        },
    },
    log,
  );
}
