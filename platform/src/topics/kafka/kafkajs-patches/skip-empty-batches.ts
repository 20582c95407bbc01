import type { Log } from '../../../process/log.ts';
import { patchOnce } from './patch-once.ts';

/**
 * Lets kafkajs skip partitions without messages: a fetch returns all requested partitions, and each costs a worker.
 * With 12 partitions that was a sixth of the cost of a subscription's event.
 *
 * @see `bench/`: `npm run bench -- subscriptions`
 */
export function patchEmptyBatches(log?: Log): void {
  patchOnce(
    {
      path: 'kafkajs/src/consumer/consumerGroup',
      method: 'fetch',
      writtenFor: 'e2e52d81f1e13b90c4fb9816824dd20f9103f9d974f18161574639793eb1cabf',
      without: 'events of a topic with many partitions cost more',
      patch: (fetch) =>
        async function (nodeId: number) {
          const batches: { rawMessages: readonly unknown[] }[] = await fetch.call(this, nodeId);
          // Returning none is safe: kafkajs sends a heartbeat then, as for an empty batch.
          return batches.filter(({ rawMessages }) => rawMessages.length > 0);
        },
    },
    log,
  );
}
