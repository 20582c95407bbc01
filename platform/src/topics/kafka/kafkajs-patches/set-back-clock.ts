import type { Log } from '../../../process/log.ts';
import { patchOnce } from './patch-once.ts';

/**
 * Patches kafkajs to send heartbeats even after the machine's clock was set back. Without the patch, kafkajs waits
 * until the clock has again reached the time of the last heartbeat. During this time the broker removes the consumer
 * from its group.
 */
export function patchHeartbeat(log?: Log): void {
  patchOnce(
    {
      path: 'kafkajs/src/consumer/consumerGroup',
      method: 'heartbeat',
      writtenFor: 'ba6c66c6bb8ab3ea01e54bda570a37aaf144bbed874324b3c72dec08821c61c7',
      without: 'a consumer is removed from its group when the machine’s clock is set back',
      patch: (heartbeat) =>
        async function (options: { interval: number }) {
          if (this.lastRequest > Date.now()) this.lastRequest = 0;
          await heartbeat.call(this, options);
        },
    },
    log,
  );
}
