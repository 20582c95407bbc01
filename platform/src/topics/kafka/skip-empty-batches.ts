import { amendOnce } from './amend-once.ts';

/** What of kafkajs's member of a group is touched here. */
interface ConsumerGroup {
  fetch(nodeId: number): Promise<{ rawMessages: readonly unknown[] }[]>;
}

/**
 * Has kafkajs pass over the partitions that a fetch brought nothing of. A fetch answers for every partition that was
 * asked for, and kafkajs hands each to a worker before it sees that there is nothing to do: with 12 partitions and one
 * message a fetch that was a sixth of what a subscription's event costs. Once is enough; more is harmless.
 *
 * @see `bench/`: `npm run bench -- subscriptions`
 */
export function skipEmptyBatches(): void {
  amendOnce<ConsumerGroup>('kafkajs/src/consumer/consumerGroup', (prototype) => {
    const { fetch } = prototype;
    prototype.fetch = async function (nodeId) {
      // Of none at all kafkajs makes a heartbeat, as of each that is empty.
      return (await fetch.call(this, nodeId)).filter(({ rawMessages }) => rawMessages.length > 0);
    };
  });
}
