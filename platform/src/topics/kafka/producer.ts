import type { Producer } from 'kafkajs';
import { CodedError, type PlatformErrorCode } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { within } from '../../within.ts';
import { disconnectWithinMs, type KafkaClient, unavailable } from './client.ts';
import { partitionOf } from './partition-of.ts';

/** A message for the broker. */
export interface OutgoingMessage {
  topic: string;
  key: string;
  value: string;
  headers: Record<string, string>;
}

export interface KafkaProducer extends AsyncDisposable {
  /**
   * Resolves once every in-sync replica has them. Throws TOPICS_UNAVAILABLE (retryable), and then none, some or all may
   * have gone; TOPIC_VALUE_TOO_LARGE where the broker takes none as large as one of them, or as all of them together.
   */
  send(messages: readonly OutgoingMessage[]): Promise<void>;
}

/** Longer than readers take to find a partition that was added: they are there before its first message. */
const partitionsUsedAfterMs = 60_000;

/**
 * An idempotent producer with acks from all. One that failed is thrown away: kafkajs does not find its
 * sequence numbers again after the broker has refused one.
 */
export function createKafkaProducer({ kafka, nameOf }: KafkaClient, log: Log): KafkaProducer {
  let connecting: Promise<Producer> | undefined;
  const open = async () => {
    const producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      metadataMaxAge: partitionsUsedAfterMs,
      createPartitioner:
        () =>
        ({ message: { key }, partitionMetadata }) =>
          partitionOf(String(key), partitionMetadata.length),
      retry: { retries: 3, initialRetryTime: 100, maxRetryTime: 1_000 },
    });
    await producer.connect();
    return producer;
  };
  const drop = async () => {
    const dropped = connecting;
    connecting = undefined;
    if (!dropped) return;
    const closing = dropped.then((producer) => producer.disconnect());
    // kafkajs waits for answers that are due.
    await within(disconnectWithinMs, closing).catch((error: unknown) =>
      log.debug({ error }, 'a producer could not be closed'),
    );
  };

  return {
    async send(messages) {
      const byTopic = Map.groupBy(messages, ({ topic }) => topic);
      try {
        await unavailable(async () => {
          connecting ??= open();
          const producer = await connecting;
          await producer.sendBatch({
            acks: -1,
            topicMessages: [...byTopic].map(([topic, ofTopic]) => ({
              topic: nameOf(topic),
              messages: ofTopic.map(({ key, value, headers }) => ({ key, value, headers })),
            })),
          });
        });
      } catch (error) {
        await drop();
        if (isTooLarge(error))
          throw new CodedError<PlatformErrorCode>(
            'TOPIC_VALUE_TOO_LARGE',
            'The broker refuses a message that is larger than max.message.bytes of its topic.',
          );
        throw error;
      }
    },
    [Symbol.asyncDispose]: drop,
  };
}

/** Of the protocol: kafkajs's own classes can not be imported by their names. */
const tooLarge = new Set<unknown>(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

function isTooLarge(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (tooLarge.has((cause as { type?: unknown }).type)) return true;
  return false;
}
