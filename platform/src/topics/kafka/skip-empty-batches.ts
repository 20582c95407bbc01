import type { Log } from '../../log.ts';
import { amendOnce } from './amend-once.ts';

/**
 * Has kafkajs pass over the partitions that a fetch brought nothing of. A fetch answers for every partition that was
 * asked for, and kafkajs hands each to a worker before it sees that there is nothing to do: with 12 partitions and one
 * message a fetch that was a sixth of what a subscription's event costs. Once is enough; more is harmless.
 *
 * @see `bench/`: `npm run bench -- subscriptions`
 */
export function skipEmptyBatches(log?: Log): void {
  amendOnce(
    {
      path: 'kafkajs/src/consumer/consumerGroup',
      method: 'fetch',
      writtenFor: 'e2e52d81f1e13b90c4fb9816824dd20f9103f9d974f18161574639793eb1cabf',
      without: 'events of a topic with many partitions cost more',
      amend: (fetch) =>
        async function (nodeId: number) {
          const batches: { rawMessages: readonly unknown[] }[] = await fetch.call(this, nodeId);
          // Of none at all kafkajs makes a heartbeat, as of each that is empty.
          return batches.filter(({ rawMessages }) => rawMessages.length > 0);
        },
    },
    log,
  );
}
