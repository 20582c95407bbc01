import type { Consumer } from 'kafkajs';
import { pause } from '../../../async/pause.ts';
import type { Log } from '../../../process/log.ts';
import type { ConsumeOptions } from '../../../topics.ts';
import type { GroupWork } from '../../group-work.ts';
import type { AssignedPartition } from './assigned-partition.ts';

/** Minimum interval between commits. After a crash, all messages after the committed positions are redelivered. */
const commitEveryMs = 200;

export interface CommitsOptions {
  /** The partitions that are assigned to this consumer, by number. The map changes at each rebalance. */
  partitions: ReadonlyMap<number, AssignedPartition>;
  /** Name of the topic on the broker. */
  topicName: string;
  /** Returns the consumer that is in the group now; undefined if there is none. */
  consumer(): Consumer | undefined;
  work: Pick<GroupWork, 'hold'>;
  /** Whether positions may be committed. False if the topic was deleted and recreated. */
  isPossible(): boolean;
  onFinishedThrough: ConsumeOptions<unknown>['onFinishedThrough'];
  /** When the signal aborts, the commits at an interval end. */
  signal: AbortSignal;
  fields: object;
  log: Log;
}

/**
 * Commits the low-water marks of a consumer's partitions (the positions up to which all messages are finished), and
 * reports them to `onFinishedThrough`.
 */
export interface Commits {
  /** Commits the marks that have grown. A failure is only logged, because a later commit includes the same marks. */
  tryCommit(): Promise<void>;
  /** Resolves when the commits at an interval have ended. */
  readonly stopped: Promise<void>;
}

/** Starts to commit at an interval. */
export function createCommits(options: CommitsOptions): Commits {
  const { partitions, topicName, consumer, work, isPossible, onFinishedThrough, signal, fields, log } = options;

  const commit = async () => {
    const marks = [...partitions.values()].map((assigned) => ({ assigned, position: assigned.finishedThrough() }));
    const uncommitted = marks.filter(({ assigned, position }) => position !== assigned.committed);
    const current = consumer();
    if (uncommitted.length > 0) {
      const positions = uncommitted.map(({ assigned, position }) => [assigned.partition, position] as const);
      if (current) await commitTo(current, topicName, positions);
      for (const { assigned, position } of uncommitted) assigned.committed = position;
    }
    const finished = marks
      .map(({ assigned, position }) => ({ assigned, through: work.hold(assigned.partition, position) }))
      // A partition may have been revoked during the commit.
      .filter(
        ({ assigned, through }) => partitions.get(assigned.partition) === assigned && through > assigned.reported,
      );
    if (finished.length === 0) return;
    await onFinishedThrough?.(new Map(finished.map(({ assigned, through }) => [assigned.partition, through])));
    for (const { assigned, through } of finished) assigned.reported = through;
  };
  const tryCommit = async () => {
    try {
      if (isPossible()) await commit();
    } catch (error) {
      log.debug({ error, ...fields }, 'a position could not be committed yet');
    }
  };
  const commitRepeatedly = async () => {
    while (!signal.aborted) {
      await pause(commitEveryMs, signal);
      await tryCommit();
    }
  };

  return { tryCommit, stopped: commitRepeatedly() };
}

/** @param positions position by partition */
export async function commitTo(
  consumer: Consumer,
  topic: string,
  positions: Iterable<readonly [number | string, number]>,
): Promise<void> {
  await consumer.commitOffsets(
    [...positions].map(([partition, position]) => ({
      topic,
      partition: Number(partition),
      offset: String(position),
    })),
  );
}
