import { createCoalesced } from '../../coalesced.ts';
import type { Log } from '../../log.ts';
import type { Positions } from '../../topics.ts';
import { pause } from '../attempt.ts';
import type { KafkaClient } from './client.ts';
import { readStanding, type Standing } from './recreated.ts';

/** When a partition that was added is begun. */
export interface GroupTurns {
  /**
   * Called when these partitions are this member's. Of a group that has finished nothing it has their beginnings
   * committed, for none of them was added: they need not wait once the first one has been committed.
   */
  begin(partitions: ReadonlySet<number>, commit: (positions: Positions) => Promise<unknown>): void;
  /** Resolves when the partition's first message may be handled, or `isOver`, or the signal aborts. */
  await(partition: number, isOver: () => boolean): Promise<void>;
}

const lookEveryMs = 200;
/** Where the older partitions stand still for so long, a new one waits no longer: codes go before order. */
const defaultPatienceMs = 60_000;

/**
 * Keeps a key's messages in order where partitions are added: a key moves to a new partition alone (`partitionOf`), and
 * one that the group has not begun is begun once the group has finished those below it through where they stand then.
 * A group that has finished nothing at all begins everywhere at once.
 */
export function createGroupTurns({
  client,
  groupId,
  name,
  log,
  signal,
  patienceMs = defaultPatienceMs,
}: {
  client: KafkaClient;
  groupId: string;
  /** Of the topic, on the broker. */
  name: string;
  log: Log;
  signal: AbortSignal;
  patienceMs?: number;
}): GroupTurns {
  const look = createCoalesced(() => readStanding(client, name, groupId));

  /** What must be finished first. */
  const barrierOf = (partition: number, { committed, oldest, ends }: Standing): Positions => {
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
        log.debug({ error, groupId }, 'whether the group is a new one is not known'),
      );
    },
    async await(partition, isOver) {
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
          // What it waits for has moved: others may go on for ever.
          if (rest < left) [left, movedAt] = [rest, performance.now()];
        } catch (error) {
          log.debug({ error, groupId, partition }, 'where the group stands is not known yet');
        }
        if (performance.now() - movedAt > patienceMs) {
          log.warn({ groupId, partition }, 'older partitions stand still; a new one is begun before them');
          return;
        }
      }
    },
  };
}
