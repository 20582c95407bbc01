import type { Admin } from 'kafkajs';
import { CodedError } from '../../../errors.ts';

export interface NewTopic {
  /** Name on the broker. */
  name: string;
  partitions: number;
  /** Number of replicas. Default: the default of the brokers. */
  replication?: number | undefined;
  retentionMs: number;
}

/**
 * Creates a topic, unless it exists.
 *
 * @throws CodedError TOPICS_UNAVAILABLE if the broker refuses; Error if the topic has no leader yet
 */
export async function createTopic(admin: Admin, topic: NewTopic): Promise<void> {
  const { name, partitions, replication, retentionMs } = topic;
  if (!(await admin.listTopics()).includes(name))
    await admin
      .createTopics({
        topics: [
          {
            topic: name,
            numPartitions: partitions,
            ...(replication !== undefined && { replicationFactor: replication }),
            // Other settings, such as min.insync.replicas, are not set, so that the brokers' defaults apply.
            configEntries: [{ name: 'retention.ms', value: String(retentionMs) }],
          },
        ],
      })
      .catch((error: unknown) => {
        throw toRefusal(name, error);
      });
  const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
  if (topics.some((found) => found.partitions.some(({ leader }) => leader < 0))) throw new Error('no leader yet');
}

/**
 * Converts a broker's refusal to create a topic to a CodedError with the broker's reasons. Any other error is returned
 * unchanged.
 */
function toRefusal(name: string, error: unknown): unknown {
  // The error is recognised by its properties, because kafkajs does not export its error classes.
  const { errors } = error as { errors?: Error[] };
  if (!errors) return error;
  const reasons = errors.map(({ message }) => message).join(' ');
  return new CodedError('TOPICS_UNAVAILABLE', `The broker does not create the topic ${name}: ${reasons}`, {
    cause: error,
    retryable: true,
  });
}
