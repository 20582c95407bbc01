import { createCoalesced } from '../../../async/coalesce.ts';
import { CodedError, type PlatformErrorCode } from '../../../errors.ts';
import type { Log } from '../../../process/log.ts';
import type { Positions } from '../../../topics.ts';
import type { ConsumerFailures } from '../../consumer-failures.ts';
import type { KafkaClient } from '../connection/client.ts';

/** The oldest and end offsets of a topic's partitions, and a group's committed offsets, read from the broker. */
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
 * Whether a topic was deleted and recreated since it was read. kafkajs does not expose topic ids, so a topic counts as
 * recreated in two cases:
 *
 * - The topic ends before the last message read.
 * - The broker has lost a commit of this process. A lost commit does not count if retention has deleted the first
 *   message after the committed position.
 *
 * @param taken position of the last message read, per partition
 * @param committed positions that this process has committed
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

export interface RecreationCheckOptions {
  /** Reads the topic's current offsets. */
  read(): Promise<TopicOffsets>;
  /** Position of the last message read, per partition. It grows while the topic is read. */
  taken: Positions;
  /** Positions that were committed by this process. */
  committed?: Positions;
  /** Called once, when the check finds that the topic was recreated. */
  onRecreated(): void;
  fields: object;
  log: Log;
}

/** Checks whether a topic was recreated while it was read. */
export interface RecreationCheck {
  readonly wasRecreated: boolean;
  /** Reads the topic's offsets and checks them. Concurrent calls share reads, as `createCoalesced` describes. */
  read(): Promise<TopicOffsets>;
  /**
   * Reads the offsets, and resolves with whether the topic is still the same topic. Resolves with false if the read
   * fails.
   */
  isSameTopic(): Promise<boolean>;
}

export function createRecreationCheck(options: RecreationCheckOptions): RecreationCheck {
  const { taken, committed = {}, onRecreated, fields, log } = options;
  let wasRecreated = false;
  const read = createCoalesced(async () => {
    // The positions are copied, because they may grow during the query.
    const before = [{ ...taken }, { ...committed }] as const;
    const offsets = await options.read();
    if (!wasRecreated && isRecreated(offsets, ...before)) {
      wasRecreated = true;
      onRecreated();
    }
    return offsets;
  });
  return {
    get wasRecreated() {
      return wasRecreated;
    },
    read,
    async isSameTopic() {
      try {
        await read();
        return !wasRecreated;
      } catch (error) {
        log.debug({ error, ...fields }, 'whether a topic was recreated could not be checked yet');
        return false;
      }
    },
  };
}

/** Reports that a reader stops because its topic was recreated. Returns the error with which the reader fails. */
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
