import { createCoalesced } from '../../../async/coalesce.ts';
import { pause } from '../../../async/pause.ts';
import type { Log } from '../../../process/log.ts';
import type { Positions } from '../../../topics.ts';
import type { KafkaClient } from '../connection/client.ts';
import { readOffsets, type TopicOffsets } from './recreated.ts';

/**
 * Delays an added partition until the group has finished the older partitions. This keeps the order of messages whose
 * key has moved to the added partition.
 */
export interface PartitionOrder {
  /**
   * Called when partitions are assigned to this consumer. A partition without a commit counts as added later, and
   * waits. In a new group, no partition needs to wait. So the oldest offset of each partition is committed immediately,
   * and no partition counts as added later.
   */
  begin(partitions: ReadonlySet<number>, commit: (positions: Positions) => Promise<unknown>): void;
  /**
   * Resolves when the partition's first message may be handled, when `isOver` returns true, or when the signal aborts.
   */
  waitForOlderPartitions(partition: number, isOver: () => boolean): Promise<void>;
}

const lookEveryMs = 200;
/** After a minute without progress the partition starts anyway, because a long delay is worse than a wrong order. */
const defaultPatienceMs = 60_000;

/**
 * Keeps a key's messages in order when partitions are added. A key stays in its partition, or moves to an added
 * partition, which has a higher number (`partitionOf`). So the key's earlier messages are in a partition with a lower
 * number.
 *
 * A partition without a commit counts as added. The added partition waits for all partitions with lower numbers. The
 * group must finish these partitions up to the ends that they had when the wait began.
 *
 * A group is new if it has committed no position after the oldest offsets. A new group starts all partitions
 * immediately.
 */
export function createPartitionOrder({
  client,
  groupId,
  name,
  log,
  signal,
  patienceMs = defaultPatienceMs,
}: {
  client: KafkaClient;
  groupId: string;
  /** Name of the topic on the broker. */
  name: string;
  log: Log;
  signal: AbortSignal;
  patienceMs?: number;
}): PartitionOrder {
  const look = createCoalesced(() => readOffsets(client, name, groupId));

  /** Returns the positions that the group must have finished before the partition starts. */
  const barrierOf = (partition: number, { committed, oldest, ends }: TopicOffsets): Positions => {
    const isBegun = committed[partition] !== undefined;
    if (isBegun || Object.keys(committed).length === 0) return {};
    return Object.fromEntries(
      Object.entries(ends).filter(([below, end]) => Number(below) < partition && end !== oldest[Number(below)]),
    );
  };

  let isNew = true;
  let beginning = Promise.resolve();
  const beginAll = async (
    partitions: ReadonlySet<number>,
    commit: (positions: Positions) => Promise<unknown>,
  ): Promise<void> => {
    const { committed, oldest } = await look();
    isNew = Object.entries(committed).every(([partition, position]) => position <= (oldest[Number(partition)] ?? 0));
    const fresh = Object.entries(oldest).filter(
      ([partition]) => partitions.has(Number(partition)) && !(partition in committed),
    );
    if (isNew && fresh.length > 0) await commit(Object.fromEntries(fresh));
  };

  return {
    begin(partitions, commit) {
      if (!isNew) return;
      beginning = beginAll(partitions, commit).catch((error: unknown) =>
        log.debug({ error, groupId }, 'whether the group is new could not be read'),
      );
    },
    async waitForOlderPartitions(partition, isOver) {
      await beginning;
      let barrier: Positions | undefined;
      let left = Number.POSITIVE_INFINITY;
      let movedAt = performance.now();
      for (; !signal.aborted && !isOver(); await pause(lookEveryMs, signal)) {
        try {
          const seen = await look();
          barrier ??= barrierOf(partition, seen);
          const rest = Object.entries(barrier)
            .map(([below, end]) => Math.max(0, end - (seen.committed[Number(below)] ?? 0)))
            .reduce((sum, count) => sum + count, 0);
          if (rest === 0) return;
          // The time limit starts again when the group makes progress in older partitions. Progress in other partitions
          // does not count, because it may never end.
          if (rest < left) [left, movedAt] = [rest, performance.now()];
        } catch (error) {
          log.debug({ error, groupId, partition }, 'the offsets of the group could not be read yet');
        }
        if (performance.now() - movedAt > patienceMs) {
          log.warn({ groupId, partition }, 'older partitions make no progress; a new one starts before them');
          return;
        }
      }
    },
  };
}
