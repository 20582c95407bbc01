import type { Log } from '../../../process/log.ts';
import { patchOnce } from './patch-once.ts';

/**
 * Patches kafkajs to skip partitions without messages. A fetch returns all requested partitions, and kafkajs starts a
 * worker for each. With 12 partitions, the workers for partitions without messages took a sixth of the CPU time of a
 * subscription event.
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
          // The result may be an empty list. kafkajs then only sends a heartbeat, as it does for an empty batch.
          return batches.filter(({ rawMessages }) => rawMessages.length > 0);
        },
    },
    log,
  );
}
