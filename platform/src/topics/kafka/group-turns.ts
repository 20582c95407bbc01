import { createCoalesced } from '../../coalesced.ts';
import type { Log } from '../../log.ts';
import type { Positions } from '../../topics.ts';
import { pause } from '../attempt.ts';
import type { KafkaClient } from './client.ts';
import { readStanding, type Standing } from './recreated.ts';

/** When a partition that was added is begun. */
export interface GroupTurns {
  /** Resolves when the partition's first message may be handled, or `isOver`, or the signal aborts. */
  await(partition: number, isOver: () => boolean): Promise<void>;
}

const lookEveryMs = 200;
/** Where the older partitions stand still for so long, a new one waits no longer: codes go before order. */
const patienceMs = 60_000;

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
}: {
  client: KafkaClient;
  groupId: string;
  /** Of the topic, on the broker. */
  name: string;
  log: Log;
  signal: AbortSignal;
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

  return {
    async await(partition, isOver) {
      let barrier: Positions | undefined;
      let finished = -1;
      let movedAt = performance.now();
      for (; !signal.aborted && !isOver(); await pause(lookEveryMs, signal)) {
        try {
          const seen = await look();
          barrier ??= barrierOf(partition, seen);
          if (Object.entries(barrier).every(([below, end]) => (seen.committed[Number(below)] ?? 0) >= end)) return;
          const sum = Object.values(seen.committed).reduce((total, position) => total + position, 0);
          if (sum !== finished) [finished, movedAt] = [sum, performance.now()];
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
