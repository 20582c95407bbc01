import { randomUUID } from 'node:crypto';
import { within } from '../../async/deadline.ts';
import { CodedError, orUnavailable } from '../../errors.ts';
import { deadLetterName } from '../../topics.ts';
import type { ReadDeadLetters } from '../dead-letter-reader.ts';
import { connectKafka, disconnectWithinMs, type KafkaOptions } from './connection/client.ts';
import { toRawMessage } from './consumers/message.ts';
import { tailGroupPrefix } from './consumers/tail-groups.ts';

/** Time limit for the arrival of the next batch. After it, reading fails, because the broker is probably down. */
const silentForMs = 30_000;

/**
 * Creates the reader for Kafka. Its consumer group has the same name prefix as the groups of tails. So if this process
 * crashes, the next start of a service deletes the group (`deleteDeadTails`).
 */
export function kafkaDeadLetters(options: KafkaOptions): ReadDeadLetters {
  return async (onLetter) => {
    await using client = await connectKafka(options);
    await client.ping();
    const prefix = client.nameOf('');
    const names = (await orUnavailable('TOPICS_UNAVAILABLE', () => client.admin.listTopics())).filter(
      (name) => name.startsWith(prefix) && name.endsWith(deadLetterName('')),
    );
    /**
     * The partitions that have not been read completely, with their ends. The keys have the form `<topic>/<partition>`.
     */
    const unread = new Map<string, number>();
    for (const name of names)
      for (const { partition, low, high } of await orUnavailable('TOPICS_UNAVAILABLE', () =>
        client.admin.fetchTopicOffsets(name),
      ))
        if (low !== high) unread.set(`${name}/${partition}`, Number(high));
    if (unread.size === 0) return;

    const groupId = `${tailGroupPrefix(client, options.clientId)}${randomUUID()}`;
    const consumer = client.kafka.consumer({ groupId, allowAutoTopicCreation: false });
    const done = Promise.withResolvers<void>();
    const fail = (cause?: unknown) =>
      done.reject(new CodedError('TOPICS_UNAVAILABLE', 'The broker does not answer.', { cause, retryable: true }));
    const timer = setTimeout(fail, silentForMs);
    consumer.on(consumer.events.CRASH, ({ payload: { error } }) => fail(error));
    // END_BATCH_PROCESS also occurs for a batch without messages, for example of an aborted transaction.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { topic, partition, lastOffset } }) => {
      timer.refresh();
      const place = `${topic}/${partition}`;
      if (Number(lastOffset) + 1 >= (unread.get(place) ?? 0)) unread.delete(place);
      if (unread.size === 0) done.resolve();
    });
    const read = async () => {
      await consumer.connect();
      await consumer.subscribe({ topics: names, fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        async eachBatch({ batch, resolveOffset }) {
          const end = unread.get(`${batch.topic}/${batch.partition}`) ?? 0;
          for (const message of batch.messages) {
            const raw = toRawMessage(batch.partition, message);
            if (raw.position <= end) onLetter({ ...raw, topic: batch.topic.slice(prefix.length) });
          }
          resolveOffset(batch.lastOffset());
        },
      });
    };
    read().catch(fail);
    try {
      await done.promise;
    } finally {
      clearTimeout(timer);
      await within(5 * disconnectWithinMs, consumer.disconnect())
        .then(() => client.admin.deleteGroups([groupId]))
        .catch(() => options.log.debug({ groupId }, 'the group of a reader could not be deleted'));
    }
  };
}
