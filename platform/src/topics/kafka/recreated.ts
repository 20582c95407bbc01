import { CodedError, type PlatformErrorCode } from '../../errors.ts';
import type { Log } from '../../process/log.ts';
import type { Positions } from '../../topics.ts';
import type { ConsumerFailures } from '../consumer-failures.ts';
import type { KafkaClient } from './client.ts';

/** The oldest and end offsets of a topic's partitions, and a group's committed positions, as the broker has them. */
export interface TopicOffsets {
  oldest: Positions;
  ends: Positions;
  /** Partitions without a commit are missing. */
  committed: Positions;
}

export async function readOffsets(client: KafkaClient, name: string, groupId?: string): Promise<TopicOffsets> {
  const [offsets, groups] = await Promise.all([
    client.admin.fetchTopicOffsets(name),
    groupId === undefined ? [] : client.admin.fetchOffsets({ groupId, topics: [name] }),
  ]);
  const committed = groups.flatMap(({ partitions }) => partitions).filter(({ offset }) => Number(offset) >= 0);
  return {
    oldest: Object.fromEntries(offsets.map(({ partition, low }) => [partition, Number(low)])),
    ends: Object.fromEntries(offsets.map(({ partition, high }) => [partition, Number(high)])),
    committed: Object.fromEntries(committed.map(({ partition, offset }) => [partition, Number(offset)])),
  };
}

/**
 * Whether a topic was deleted and recreated since it was read; kafkajs has no topic ids. It ends before the last
 * message read, or the broker has lost a commit that retention does not explain.
 *
 * @param taken position of the last message read, per partition
 * @param committed positions that were committed here
 */
export function isRecreated(offsets: TopicOffsets, taken: Positions, committed: Positions = {}): boolean {
  const at = (positions: Positions, partition: string) => positions[Number(partition)] ?? 0;
  return (
    Object.entries(taken).some(([partition, position]) => at(offsets.ends, partition) < position) ||
    Object.entries(committed).some(
      ([partition, position]) =>
        at(offsets.committed, partition) < position && at(offsets.oldest, partition) <= position,
    )
  );
}

/** Resolves with whether the topic is the one that was read before; false if the check fails. */
export function isKnownSame(look: Promise<boolean>, fields: object, log: Log): Promise<boolean> {
  return look.catch((error: unknown) => {
    log.debug({ error, ...fields }, 'whether a topic was recreated could not be checked yet');
    return false;
  });
}

/** Reports that a reader stops because its topic was recreated; returns the error for its callers. */
export function reportRecreated(
  failures: ConsumerFailures,
  reader: object,
  fields: { topic: string; group?: string },
  log: Log,
): CodedError {
  const code = 'TOPIC_RECREATED';
  const message = 'The topic was deleted and recreated, or has lost its end, while it was read.';
  failures.set(reader, { code, ...fields, message });
  log.error({ code, ...fields }, message);
  return new CodedError<PlatformErrorCode>(code, message, { retryable: true });
}
