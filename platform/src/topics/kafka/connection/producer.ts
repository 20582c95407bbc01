import type { Producer } from 'kafkajs';
import { within } from '../../../async/deadline.ts';
import { CodedError, causesOf, orUnavailable, type PlatformErrorCode } from '../../../errors.ts';
import type { Log } from '../../../process/log.ts';
import { disconnectWithinMs, type KafkaClient } from './client.ts';
import { partitionOf } from './partitioner.ts';

export interface OutgoingMessage {
  topic: string;
  key: string;
  value: string;
  headers: Record<string, string>;
}

export interface KafkaProducer extends AsyncDisposable {
  /**
   * Sends messages. Resolves once every in-sync replica has them.
   *
   * @throws CodedError TOPICS_UNAVAILABLE (retryable): none, some or all messages may have been sent;
   *   TOPIC_VALUE_TOO_LARGE if the broker rejects the size of a message or of the batch
   */
  send(messages: readonly OutgoingMessage[]): Promise<void>;
}

/**
 * Messages are sent to an added partition only after this time, when all readers have found it
 * (`partitionsFoundWithinMs`).
 */
const partitionsUsedAfterMs = 60_000;

/**
 * Creates an idempotent producer with acks from all replicas. After a failure, another producer replaces it, because
 * kafkajs can't recover once the broker has rejected a sequence number.
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
    // The time limit is needed because disconnect() waits for outstanding responses.
    await within(disconnectWithinMs, closing).catch((error: unknown) =>
      log.debug({ error }, 'a producer could not be closed'),
    );
  };

  return {
    async send(messages) {
      const byTopic = Map.groupBy(messages, ({ topic }) => topic);
      try {
        await orUnavailable('TOPICS_UNAVAILABLE', async () => {
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
            'The broker rejects a message that is larger than max.message.bytes of its topic.',
          );
        throw error;
      }
    },
    [Symbol.asyncDispose]: drop,
  };
}

/**
 * Error types of the Kafka protocol. An error is recognised by its type, because kafkajs does not export its error
 * classes.
 */
const tooLarge = new Set<unknown>(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

function isTooLarge(error: unknown): boolean {
  return causesOf(error).some((cause) => tooLarge.has((cause as { type?: unknown }).type));
}
