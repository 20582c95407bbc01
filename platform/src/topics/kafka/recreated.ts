import { CodedError, type PlatformErrorCode } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Positions } from '../../topics.ts';
import type { ConsumerFailures } from '../consumer-failures.ts';
import type { KafkaClient } from './client.ts';

/** Where a topic's partitions begin and end, and through where a group has committed them, on the broker. */
export interface Standing {
  oldest: Positions;
  ends: Positions;
  /** Of what nothing is committed is missing. */
  committed: Positions;
}

export async function readStanding(client: KafkaClient, name: string, groupId?: string): Promise<Standing> {
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
 * Whether a topic is another one than was read before, of the same name: it ends ahead of what was read of it, or less
 * is committed than was, though retention has not passed that: the broker forgets it with the topic. kafkajs knows no
 * topic ids.
 *
 * @param taken position of the last message read, by partition
 * @param committed what was committed here
 */
export function isRecreated(standing: Standing, taken: Positions, committed: Positions = {}): boolean {
  const at = (positions: Positions, partition: string) => positions[Number(partition)] ?? 0;
  return (
    Object.entries(taken).some(([partition, position]) => at(standing.ends, partition) < position) ||
    Object.entries(committed).some(
      ([partition, position]) =>
        at(standing.committed, partition) < position && at(standing.oldest, partition) <= position,
    )
  );
}

/** What a look at a topic says, whether it is the one that was read before; false where the look fails. */
export function isKnownSame(look: Promise<boolean>, fields: object, log: Log): Promise<boolean> {
  return look.catch((error: unknown) => {
    log.debug({ error, ...fields }, 'whether a topic was recreated is not known yet');
    return false;
  });
}

/** Says that a reader stops, because its topic is another one by now; returns what to tell who waits for it. */
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
