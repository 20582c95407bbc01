import type { EachBatchPayload } from 'kafkajs';
import { createCoalesced } from '../../async/coalesce.ts';
import { within } from '../../async/deadline.ts';
import { createKeyQueues } from '../../async/key-queues.ts';
import { pause } from '../../async/pause.ts';
import { retryEverySecond } from '../../async/retry.ts';
import { type ConsumeOptions, deadLetterName } from '../../topics.ts';
import { createConsumerFailures } from '../consumer-failures.ts';
import { defaultConsumerLimits } from '../consumer-limits.ts';
import type { GroupContext } from '../group-context.ts';
import { createGroupWork } from '../group-work.ts';
import { createLowWaterMark, type LowWaterMark } from '../low-water-mark.ts';
import { textLengthOf } from '../message.ts';
import type { KafkaClient } from './client.ts';
import { keepMembership } from './membership.ts';
import { toRawMessage } from './message.ts';
import { createPartitionOrder } from './partition-order.ts';
import type { KafkaProducer } from './producer.ts';
import { isKnownSame, isRecreated, readOffsets, reportRecreated } from './recreated.ts';

/**
 * How often low-water marks are committed at most; they are also committed at stop. After a crash the messages since
 * are redelivered.
 */
const commitEveryMs = 200;

/** Together with the time to leave the group, well below the time limit of a stop. */
const commitWithinMs = 3_000;

/** The state of a partition that is assigned to this member. */
interface AssignedPartition {
  mark: LowWaterMark;
  /**
   * Position of the last message taken. kafkajs reads up to there again after a rebalance; those messages are skipped.
   */
  last: number;
  committed: number;
  /** The position that `onFinishedThrough` received last. */
  reported: number;
  isPaused: boolean;
  /** Aborts when the partition is revoked, and when the consumer stops. */
  isOver: AbortSignal;
  revoke(): void;
  /** Resolves when its messages may be handled. */
  begun: Promise<unknown>;
}

/**
 * A member of a consumer group on kafkajs. Batches are taken from kafkajs at once and their messages wait here, so that
 * kafkajs keeps fetching and sends heartbeats.
 *
 * - Only the low-water mark is committed: kafkajs's own `resolveOffset` would skip running messages.
 * - At most `concurrency` messages run. One that waits for its next attempt does not count, and is parked after a
 *   while.
 * - A partition at its limit of messages or bytes is paused.
 * - When a partition is revoked, waiting messages are dropped, finished ones are committed, and running ones end. A
 *   partition that stays continues after the last message taken.
 * - When its topic was deleted and recreated, the group stops, commits nothing more, and reports it. It checks this
 *   when it joins, and before it skips messages as already taken.
 * - Partitions belong to one consumer (`keepMembership`). When that ends, the next one starts at the committed
 *   positions, since others may have had the partitions in between.
 */
export async function startKafkaGroup<Value>({
  onAssigned = async () => {},
  onFinishedThrough = async () => {},
  client,
  producer,
  limits = defaultConsumerLimits,
  failures = createConsumerFailures(),
  ...options
}: ConsumeOptions<Value> & GroupContext & { client: KafkaClient; producer: KafkaProducer }): Promise<AsyncDisposable> {
  const { topic, group, log } = options;
  const fields = { topic: topic.name, group };
  const name = client.nameOf(topic.name);
  const stop = new AbortController();
  const assignedPartitions = new Map<number, AssignedPartition>();
  // One group per topic on the broker: kafkajs assigns a group's topics as if each member read all of them.
  const groupId = client.nameOf(`${group}.${topic.name}`);
  const queues = createKeyQueues();
  const partitionOrder = createPartitionOrder({ client, groupId, name, log, signal: stop.signal });
  /** Per partition, the last position taken and committed by this process, whoever has it assigned now. */
  const taken: Record<number, number> = {};
  const committed: Record<number, number> = {};
  let wasRecreated = false;
  const checkRecreated = createCoalesced(async () => {
    // Copies: both may grow during the query.
    const before = [{ ...taken }, { ...committed }] as const;
    const offsets = await readOffsets(client, name, groupId);
    if (wasRecreated || !isRecreated(offsets, ...before)) return;
    wasRecreated = true;
    reportRecreated(failures, stop, fields, log);
    void leave();
  });
  /** Whether the topic is known to be the one that was read before. */
  const isSameTopic = () =>
    isKnownSame(
      checkRecreated().then(() => !wasRecreated),
      fields,
      log,
    );

  const { handle, hold, refreshParked, retryParked, clearFailure, ...bounds } = createGroupWork({
    ...options,
    limits,
    failures,
    stop,
    onStopped: () => void leave(),
    async bury(message) {
      const deadLetter = deadLetterName(topic.name);
      await client.ensureTopic(deadLetter);
      await producer.send([{ topic: deadLetter, ...message }]);
    },
  });

  const onBatch = async ({ batch, resolveOffset, isStale }: EachBatchPayload) => {
    if (isStale() || stop.signal.aborted) return;
    const { partition } = batch;
    const first = Number(batch.firstOffset() ?? 0);
    const assigned = assignedPartitions.get(partition) ?? begin(partition, first);
    if (first < (taken[partition] ?? 0)) {
      if (!(await isSameTopic())) return;
      if (isStale() || assignedPartitions.get(partition) !== assigned) return;
    }
    for (const message of batch.messages) {
      const raw = toRawMessage(partition, message);
      if (raw.position <= assigned.last) continue;
      assigned.last = raw.position;
      taken[partition] = Math.max(taken[partition] ?? 0, raw.position);
      assigned.mark.take(raw.position, textLengthOf(raw));
      queues.run(`${partition}/${raw.key}`, async () => {
        await assigned.begun;
        if (assigned.isOver.aborted) return;
        const finishedThrough = () =>
          assignedPartitions.get(partition) === assigned ? hold(partition, assigned.mark.through(raw.position)) : 0;
        if (await handle(raw, finishedThrough, assigned.isOver)) assigned.mark.finish(raw.position);
        resumeWhenDrained(partition, assigned);
      });
    }
    resolveOffset(batch.lastOffset());
    if (isFull(assigned) && !assigned.isPaused) setPaused(partition, assigned, true);
  };
  const isFull = ({ mark }: AssignedPartition, share = 1) =>
    mark.size >= bounds.maxHeld * share || mark.bytes >= bounds.maxHeldBytes * share;
  const begin = (partition: number, position: number): AssignedPartition => {
    const reportAssigned = () =>
      retryEverySecond(
        async () => {
          await refreshParked();
          assigned.reported = hold(partition, position);
          await onAssigned(partition, assigned.reported);
        },
        {
          signal: assigned.isOver,
          log,
          fields: { ...fields, partition },
          failing: 'the start of a partition could not be reported',
        },
      );
    const revoked = new AbortController();
    const assigned: AssignedPartition = {
      mark: createLowWaterMark(position),
      last: position,
      committed: position,
      reported: position,
      isPaused: false,
      isOver: AbortSignal.any([stop.signal, revoked.signal]),
      revoke: () => revoked.abort(),
      begun: Promise.resolve(),
    };
    assigned.begun = partitionOrder
      .waitForOlderPartitions(partition, () => assigned.isOver.aborted)
      .then(() => assigned.isOver.aborted || reportAssigned());
    assignedPartitions.set(partition, assigned);
    return assigned;
  };
  const resumeWhenDrained = (partition: number, assigned: AssignedPartition) => {
    if (!assigned.isPaused || isFull(assigned, 0.5) || assignedPartitions.get(partition) !== assigned) return;
    setPaused(partition, assigned, false);
  };
  const setPaused = (partition: number, assigned: AssignedPartition, isPaused: boolean) => {
    assigned.isPaused = isPaused;
    try {
      membership.consumer?.[isPaused ? 'pause' : 'resume']([{ topic: name, partitions: [partition] }]);
    } catch (error) {
      // A consumer that has crashed has no group. The next one starts with its partitions unpaused.
      log.debug({ error, ...fields, partition }, 'a partition could not be paused or resumed');
    }
  };

  const commit = async () => {
    if (wasRecreated) return;
    const marks = [...assignedPartitions].map(([partition, assigned]) => ({
      partition,
      assigned,
      position: assigned.mark.through(),
    }));
    const uncommitted = marks.filter(({ assigned, position }) => position !== assigned.committed);
    if (uncommitted.length > 0) {
      await membership.consumer?.commitOffsets(
        uncommitted.map(({ partition, position }) => ({ topic: name, partition, offset: String(position) })),
      );
      for (const { assigned, position } of uncommitted) assigned.committed = position;
    }
    const finished = marks
      .map(({ partition, assigned, position }) => ({ partition, assigned, through: hold(partition, position) }))
      // A partition may have been revoked during the commit.
      .filter(
        ({ partition, assigned, through }) =>
          assignedPartitions.get(partition) === assigned && through > assigned.reported,
      );
    if (finished.length === 0) return;
    await onFinishedThrough(new Map(finished.map(({ partition, through }) => [partition, through])));
    for (const { assigned, through } of finished) assigned.reported = through;
  };
  const tryCommit = () =>
    commit().catch((error: unknown) => log.debug({ error, ...fields }, 'a position could not be committed yet'));
  const revoke = (partition: number, assigned: AssignedPartition) => {
    assigned.revoke();
    assignedPartitions.delete(partition);
  };

  const membership = keepMembership({
    client,
    topic: topic.name,
    groupId: () => groupId,
    config: { heartbeatInterval: 3_000, rebalanceTimeout: 60_000, maxWaitTimeInMs: 1_000 },
    run: { partitionsConsumedConcurrently: 16 },
    onBatch,
    onJoin(consumer, partitions, isNewcomer) {
      for (const [partition, assigned] of assignedPartitions) {
        const paused = [{ topic: name, partitions: [partition] }];
        if (isNewcomer || !partitions.has(partition)) {
          revoke(partition, assigned);
          consumer.resume(paused);
        } else if (assigned.isPaused) consumer.pause(paused);
      }
      if (Object.keys(taken).length > 0) void isSameTopic();
      else
        partitionOrder.begin(partitions, (positions) =>
          consumer.commitOffsets(
            Object.entries(positions).map(([partition, position]) => ({
              topic: name,
              partition: Number(partition),
              offset: String(position),
            })),
          ),
        );
    },
    onCommitted: (partition, position) => {
      committed[partition] = position;
    },
    onRebalance: () => void tryCommit(),
    onEnd() {
      for (const [partition, assigned] of assignedPartitions) revoke(partition, assigned);
    },
    failures,
    joinWithinMs: limits.joinWithinMs,
    fields,
    log,
  });
  const committing = (async () => {
    while (!stop.signal.aborted) {
      await pause(commitEveryMs, stop.signal);
      await tryCommit();
    }
  })();

  const retrying = retryParked();

  let leaving: Promise<void> | undefined;
  const leave = () => {
    leaving ??= (async () => {
      stop.abort();
      await Promise.all([queues.idle(), retrying]);
      if (await client.answersAtOnce()) await within(commitWithinMs, committing.then(tryCommit)).catch(() => {});
      await membership[Symbol.asyncDispose]();
    })();
    return leaving;
  };

  await membership.firstTry.catch(() => {});
  return {
    async [Symbol.asyncDispose]() {
      await leave();
      clearFailure();
    },
  };
}
