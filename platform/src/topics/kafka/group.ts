import type { EachBatchPayload } from 'kafkajs';
import { createCoalesced } from '../../coalesced.ts';
import { type ConsumeOptions, deadLetterName } from '../../topics.ts';
import { within } from '../../within.ts';
import { pause, persist } from '../attempt.ts';
import { createConsumerFailures } from '../consumer-failures.ts';
import { defaultConsumerLimits } from '../consumer-limits.ts';
import type { GroupContext } from '../group-context.ts';
import { createGroupWork } from '../group-work.ts';
import { textLengthOf } from '../handle.ts';
import { createKeyQueues } from '../key-queues.ts';
import { createLowWaterMark, type LowWaterMark } from '../low-water-mark.ts';
import type { KafkaClient } from './client.ts';
import { createGroupTurns } from './group-turns.ts';
import { keepMembership } from './membership.ts';
import type { KafkaProducer } from './producer.ts';
import { rawMessage } from './raw-message.ts';
import { isKnownSame, isRecreated, readStanding, reportRecreated } from './recreated.ts';

/** Marks are committed at most this often, and when the group stops: a crash repeats what came since. */
const commitEveryMs = 200;

/** With the time to leave, well within that of a stop. */
const commitWithinMs = 3_000;

/** What this member knows of a partition that it holds. */
interface Held {
  mark: LowWaterMark;
  /** The last message taken: what kafkajs reads again up to there, as after a rebalance, is passed over. */
  last: number;
  committed: number;
  /** Position that `onFinishedThrough` was told last. */
  told: number;
  isPaused: boolean;
  /** Aborts when another member has it, as far as is known, and when the consumer stops. */
  isOver: AbortSignal;
  revoke(): void;
  /** Resolves when its messages may be handled. */
  begun: Promise<unknown>;
}

/**
 * A member of a consumer group on kafkajs, which is given batches and handed them back at once: messages
 * wait and run here, so that kafkajs goes on fetching and with that sends its heartbeats.
 *
 * - Only the low-water mark is committed: kafkajs's own `resolveOffset` would skip what runs still.
 * - At most `concurrency` messages run. One that waits for its next attempt does not count, and is parked after a
 *   while; a partition that holds as many messages as it may, finished ones after an unfinished one included, is paused.
 * - A partition that is revoked is let go of: what waits is dropped, what is finished is committed, what
 *   runs ends. One that stays goes on behind what was taken of it.
 * - A topic that was deleted and recreated is not followed: the group stops, commits nothing more, and says so. It looks
 *   for that when it joins, and before it passes over what it has taken already, which may be another topic's.
 * - What is held belongs to the consumer that is in the group (`keepMembership`): when that ends nothing is held, and
 *   the next one reads again from what is committed, for nothing is known of who had the partitions meanwhile.
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
  const held = new Map<number, Held>();
  // A group a topic on the broker: kafkajs deals out a group's topics as if each member read all of them.
  const groupId = client.nameOf(`${group}.${topic.name}`);
  const queues = createKeyQueues();
  const turns = createGroupTurns({ client, groupId, name, log, signal: stop.signal });
  /** By partition, the last position taken and committed here, whoever has it now. */
  const taken: Record<number, number> = {};
  const committed: Record<number, number> = {};
  let wasRecreated = false;
  const lookAgain = createCoalesced(async () => {
    // As of before: both may grow meanwhile.
    const before = [{ ...taken }, { ...committed }] as const;
    const standing = await readStanding(client, name, groupId);
    if (wasRecreated || !isRecreated(standing, ...before)) return;
    wasRecreated = true;
    reportRecreated(failures, stop, fields, log);
    void leave();
  });
  /** Whether the topic is known to be the one that was read before. */
  const isSameTopic = () =>
    isKnownSame(
      lookAgain().then(() => !wasRecreated),
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
    const place = held.get(partition) ?? begin(partition, first);
    if (first < (taken[partition] ?? 0)) {
      if (!(await isSameTopic())) return;
      if (isStale() || held.get(partition) !== place) return;
    }
    for (const message of batch.messages) {
      const raw = rawMessage(partition, message);
      if (raw.position <= place.last) continue;
      place.last = raw.position;
      taken[partition] = Math.max(taken[partition] ?? 0, raw.position);
      place.mark.take(raw.position, textLengthOf(raw));
      queues.run(`${partition}/${raw.key}`, async () => {
        await place.begun;
        if (place.isOver.aborted) return;
        const finishedThrough = () =>
          held.get(partition) === place ? hold(partition, place.mark.through(raw.position)) : 0;
        if (await handle(raw, finishedThrough, place.isOver)) place.mark.finish(raw.position);
        relieve(partition, place);
      });
    }
    resolveOffset(batch.lastOffset());
    if (isFull(place) && !place.isPaused) setPaused(partition, place, true);
  };
  const isFull = ({ mark }: Held, share = 1) =>
    mark.size >= bounds.maxHeld * share || mark.bytes >= bounds.maxHeldBytes * share;
  const begin = (partition: number, position: number): Held => {
    const assigned = () =>
      persist(
        async () => {
          await refreshParked();
          place.told = hold(partition, position);
          await onAssigned(partition, place.told);
        },
        {
          signal: place.isOver,
          log,
          fields: { ...fields, partition },
          failing: 'where a partition begins could not be told',
        },
      );
    const revoked = new AbortController();
    const place: Held = {
      mark: createLowWaterMark(position),
      last: position,
      committed: position,
      told: position,
      isPaused: false,
      isOver: AbortSignal.any([stop.signal, revoked.signal]),
      revoke: () => revoked.abort(),
      begun: Promise.resolve(),
    };
    place.begun = turns.await(partition, () => place.isOver.aborted).then(() => place.isOver.aborted || assigned());
    held.set(partition, place);
    return place;
  };
  const relieve = (partition: number, place: Held) => {
    if (!place.isPaused || isFull(place, 0.5) || held.get(partition) !== place) return;
    setPaused(partition, place, false);
  };
  const setPaused = (partition: number, place: Held, isPaused: boolean) => {
    place.isPaused = isPaused;
    try {
      membership.consumer?.[isPaused ? 'pause' : 'resume']([{ topic: name, partitions: [partition] }]);
    } catch (error) {
      // A consumer that has crashed has no group. The next one begins its partitions again.
      log.debug({ error, ...fields, partition }, 'a partition could not be paused or resumed');
    }
  };

  const commit = async () => {
    if (wasRecreated) return;
    const marks = [...held].map(([partition, place]) => ({ partition, place, position: place.mark.through() }));
    const uncommitted = marks.filter(({ place, position }) => position !== place.committed);
    if (uncommitted.length > 0) {
      await membership.consumer?.commitOffsets(
        uncommitted.map(({ partition, position }) => ({ topic: name, partition, offset: String(position) })),
      );
      for (const { place, position } of uncommitted) place.committed = position;
    }
    const finished = marks
      .map(({ partition, place, position }) => ({ partition, place, through: hold(partition, position) }))
      // One may have been revoked during the commit.
      .filter(({ partition, place, through }) => held.get(partition) === place && through > place.told);
    if (finished.length === 0) return;
    await onFinishedThrough(new Map(finished.map(({ partition, through }) => [partition, through])));
    for (const { place, through } of finished) place.told = through;
  };
  const tryCommit = () =>
    commit().catch((error: unknown) => log.debug({ error, ...fields }, 'a position could not be committed yet'));
  const revoke = (partition: number, place: Held) => {
    place.revoke();
    held.delete(partition);
  };

  const membership = keepMembership({
    client,
    topic: topic.name,
    groupId: () => groupId,
    config: { heartbeatInterval: 3_000, rebalanceTimeout: 60_000, maxWaitTimeInMs: 1_000 },
    run: { partitionsConsumedConcurrently: 16 },
    onBatch,
    onJoin(consumer, partitions, isNewcomer) {
      for (const [partition, place] of held) {
        const paused = [{ topic: name, partitions: [partition] }];
        if (isNewcomer || !partitions.has(partition)) {
          revoke(partition, place);
          consumer.resume(paused);
        } else if (place.isPaused) consumer.pause(paused);
      }
      if (Object.keys(taken).length > 0) void isSameTopic();
      else
        turns.begin(partitions, (positions) =>
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
      for (const [partition, place] of held) revoke(partition, place);
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
