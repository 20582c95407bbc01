import { randomUUID } from 'node:crypto';
import { CodedError } from '../../errors.ts';
import { deadLetterName } from '../../topics.ts';
import { within } from '../../within.ts';
import type { ReadDeadLetters } from '../dead-letter-reader.ts';
import { connectKafka, disconnectWithinMs, type KafkaOptions, unavailable } from './client.ts';
import { rawMessage } from './raw-message.ts';
import { tailGroupPrefix } from './tail.ts';

/** Nothing has come for so long: the broker is away. */
const silentForMs = 30_000;

/** Of Kafka. Reads as a tail does: what it leaves behind when it is killed, the next start of a tail deletes. */
export function kafkaDeadLetters(options: KafkaOptions): ReadDeadLetters {
  return async (onLetter) => {
    await using client = await connectKafka(options);
    await client.ping();
    const prefix = client.nameOf('');
    const names = (await unavailable(() => client.admin.listTopics())).filter(
      (name) => name.startsWith(prefix) && name.endsWith(deadLetterName('')),
    );
    /** Where each partition ends that has not been read through, by topic and partition. */
    const unread = new Map<string, number>();
    for (const name of names)
      for (const { partition, low, high } of await unavailable(() => client.admin.fetchTopicOffsets(name)))
        if (low !== high) unread.set(`${name}/${partition}`, Number(high));
    if (unread.size === 0) return;

    const groupId = `${tailGroupPrefix(client, options.clientId)}${randomUUID()}`;
    const consumer = client.kafka.consumer({ groupId, allowAutoTopicCreation: false });
    const done = Promise.withResolvers<void>();
    const fail = (cause?: unknown) =>
      done.reject(new CodedError('TOPICS_UNAVAILABLE', 'The broker does not answer.', { cause, retryable: true }));
    const timer = setTimeout(fail, silentForMs);
    consumer.on(consumer.events.CRASH, ({ payload: { error } }) => fail(error));
    const read = async () => {
      await consumer.connect();
      await consumer.subscribe({ topics: names, fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        async eachBatch({ batch, resolveOffset }) {
          timer.refresh();
          const place = `${batch.topic}/${batch.partition}`;
          const end = unread.get(place) ?? 0;
          for (const message of batch.messages) {
            const raw = rawMessage(batch.partition, message);
            if (raw.position <= end) onLetter({ ...raw, topic: batch.topic.slice(prefix.length) });
          }
          resolveOffset(batch.lastOffset());
          if (Number(batch.lastOffset()) + 1 < end) return;
          unread.delete(place);
          if (unread.size === 0) done.resolve();
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
        .catch(() => options.log.debug({ groupId }, 'the group of a reader was left behind'));
    }
  };
}
