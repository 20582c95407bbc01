import type { Consumer } from 'kafkajs';

/**
 * Calls `onFailure` ahead of a fetch when the one before has failed, which kafkajs tells nobody: it goes on at the same
 * offset, though the topic may be another one by now.
 */
export function onFailedFetch(consumer: Consumer, onFailure: () => void): void {
  const underWay = new Set<number>();
  consumer.on(consumer.events.FETCH_START, ({ payload: { nodeId } }) => {
    if (underWay.has(nodeId)) onFailure();
    underWay.add(nodeId);
  });
  consumer.on(consumer.events.FETCH, ({ payload: { nodeId } }) => underWay.delete(nodeId));
}
