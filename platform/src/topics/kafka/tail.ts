import { randomUUID } from 'node:crypto';
import type { Consumer, EachBatchPayload } from 'kafkajs';
import { createCoalesced } from '../../async/coalesce.ts';
import { orUnavailable } from '../../errors.ts';
import type { Log } from '../../process/log.ts';
import type { Message, Positions, Tail, TailOptions } from '../../topics.ts';
import { createConsumerFailures } from '../consumer-failures.ts';
import { defaultConsumerLimits } from '../consumer-limits.ts';
import type { GroupContext } from '../group-context.ts';
import { checkMessage } from '../message.ts';
import { type KafkaClient, retryUntilReady } from './client.ts';
import { keepMembership } from './membership.ts';
import { toRawMessage } from './message.ts';
import { isKnownSame, isRecreated, readOffsets, reportRecreated } from './recreated.ts';

/** The prefix of all groups of tails, and of no others. */
export const tailGroupPrefix = (client: KafkaClient, clientId: string) => client.nameOf(`${clientId}.tail.`);

/** Time limit for reading to the end before a tail resolves. */
const startWithinMs = 30_000;

/**
 * A tail on kafkajs. kafkajs assigns partitions only to groups, so each consumer has a group of its own, which commits
 * nothing and is deleted at the end.
 *
 * - Positions are kept here, and set at each join, because kafkajs would start over.
 * - A partition starts after the lower ones have been read up to their ends at its discovery. A key only moves to new
 *   partitions (`partitionOf`), so its messages stay in order. A partition found later starts at its beginning.
 * - When its topic was deleted and recreated the tail stops and reports it. It checks this when it joins, in
 *   `caughtUp`, and before it skips messages as already read.
 */
export async function startKafkaTail<Value>(
  { topic, from, onMessage, onEnd = () => {} }: TailOptions<Value>,
  {
    client,
    clientId,
    limits = defaultConsumerLimits,
    failures = createConsumerFailures(),
    log,
  }: Omit<GroupContext, 'database'> & { client: KafkaClient; clientId: string },
): Promise<Tail> {
  const fields = { topic: topic.name };
  const name = client.nameOf(topic.name);
  await client.ensureTopic(topic.name);
  const read = () => orUnavailable('TOPICS_UNAVAILABLE', () => retryUntilReady(() => readOffsets(client, name)));
  const { oldest, ends: startedAt } = await read();
  const count = Object.keys(startedAt).length;
  const coversAfter: Positions = Object.fromEntries(
    Object.entries(startedAt).map(([partition, end]) => {
      const start = oldest[Number(partition)] ?? 0;
      if (from === 'now') return [partition, end];
      if ('last' in from) return [partition, Math.max(start, end - Math.ceil(from.last / count))];
      return [partition, Math.max(start, Math.min(from.after[Number(partition)] ?? 0, end))];
    }),
  );
  /** Position per partition up to which `onMessage` was called. */
  const through: Record<number, number> = { ...coversAfter };
  const stop = new AbortController();
  /** Callbacks for progress, and for the end of the tail. */
  const waiting = new Set<() => void>();
  const isThrough = (ends: Positions) =>
    Object.entries(ends).every(([partition, end]) => (through[Number(partition)] ?? 0) >= end);
  /** Partitions that `begin` has started. */
  const begun = new Set<number>();
  /** Per waiting partition, the positions that must be read first. */
  const barriers = new Map<number, Positions>();
  let endedBy: unknown = new Error('the tail is closed');
  const untilThrough = (ends: Positions): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => {
      if (isThrough(ends)) resolve();
      else if (stop.signal.aborted) reject(endedBy);
    };
    waiting.add(look);
    look();
    return promise.finally(() => waiting.delete(look));
  };
  let leaving: PromiseLike<void> | undefined;
  const leave = () => {
    stop.abort();
    for (const look of waiting) look();
    leaving ??= membership[Symbol.asyncDispose]();
    return leaving;
  };
  const ends = createCoalesced(async (): Promise<Positions> => {
    // A copy: it grows during the query.
    const before = { ...through };
    const offsets = await read();
    if (!stop.signal.aborted && isRecreated(offsets, before)) {
      const error = reportRecreated(failures, stop, fields, log);
      endedBy = error;
      void leave();
      onEnd(error);
    }
    if (stop.signal.aborted) throw endedBy;
    return offsets.ends;
  });
  /** Whether the topic is known to be the one that was read before. */
  const isSameTopic = () =>
    isKnownSame(
      ends().then(() => true),
      fields,
      log,
    );
  const caughtUp = async (): Promise<Positions> => {
    const until = await ends();
    await untilThrough(until);
    return until;
  };

  /** Whether a partition may be read; else it is paused until the lower ones have reached its barrier. */
  const begin = async (partition: number, pausePartition: () => () => void): Promise<boolean> => {
    if (begun.has(partition)) return true;
    const held = barriers.get(partition) ?? (partition in startedAt ? startedAt : await ends());
    const barrier = Object.fromEntries(Object.entries(held).filter(([below]) => Number(below) < partition));
    if (isThrough(barrier)) {
      begun.add(partition);
      barriers.delete(partition);
      return true;
    }
    barriers.set(partition, barrier);
    const resume = pausePartition();
    // After resuming, the same batch is fetched and checked again.
    untilThrough(barrier)
      .then(resume)
      .catch((error: unknown) => log.debug({ error, ...fields, partition }, 'a partition could not be resumed'));
    return false;
  };

  const onBatch = async ({ batch, resolveOffset, isStale, pause: pausePartition }: EachBatchPayload) => {
    const { partition } = batch;
    if (Number(batch.firstOffset() ?? 0) < (through[partition] ?? 0) && !(await isSameTopic())) return;
    if (!(await begin(partition, pausePartition))) return;
    for (const message of batch.messages) {
      if (stop.signal.aborted || isStale()) return;
      const raw = toRawMessage(partition, message);
      if (raw.position <= (through[partition] ?? 0)) continue;
      through[partition] = raw.position;
      let checked: Message<Value>;
      try {
        checked = checkMessage(topic, raw);
      } catch (error) {
        log.warn({ error, ...fields, partition, position: raw.position }, 'a tail skips a message that does not parse');
        continue;
      }
      onMessage(checked);
    }
    resolveOffset(batch.lastOffset());
    advance(partition, Number(batch.lastOffset()));
  };
  /** A batch may end after its last message, for example with markers of transactions. */
  const advance = (partition: number, offset: number) => {
    through[partition] = Math.max(through[partition] ?? 0, offset + 1);
    for (const look of waiting) look();
  };

  let hasJoined = false;
  /** kafkajs would start over. */
  const resumePartitions = (consumer: Consumer, partitions: ReadonlySet<number>) => {
    for (const partition of partitions)
      consumer.seek({ topic: name, partition, offset: String(through[partition] ?? 0) });
    if (hasJoined) void isSameTopic();
    hasJoined = true;
  };
  const membership = keepMembership({
    client,
    topic: topic.name,
    groupId: () => `${tailGroupPrefix(client, clientId)}${randomUUID()}`,
    config: { maxWaitTimeInMs: 500 },
    onBatch,
    onSkipped: advance,
    onJoin: resumePartitions,
    async onLeft(groupId) {
      await client.admin
        .deleteGroups([groupId])
        .catch((error: unknown) =>
          log.debug({ error, ...fields }, 'the group of a tail could not be deleted; the next start deletes it'),
        );
    },
    failures,
    joinWithinMs: limits.joinWithinMs,
    fields,
    log,
  });

  const tail: Tail = {
    startedAt,
    coversAfter,
    caughtUp,
    async [Symbol.asyncDispose]() {
      await leave();
      failures.clear(stop);
    },
  };
  try {
    await orUnavailable('TOPICS_UNAVAILABLE', () => membership.firstTry);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error('the start of a tail took too long')), startWithinMs);
    await orUnavailable('TOPICS_UNAVAILABLE', () => Promise.race([untilThrough(startedAt), late])).finally(() =>
      clearTimeout(timer),
    );
  } catch (error) {
    await tail[Symbol.asyncDispose]();
    throw error;
  }
  return tail;
}

/** Deletes the groups of tails whose process was killed. */
export async function deleteDeadTails(client: KafkaClient, clientId: string, log: Log): Promise<void> {
  try {
    const { groups } = await client.admin.listGroups();
    const tails = groups
      .map(({ groupId }) => groupId)
      .filter((groupId) => groupId.startsWith(tailGroupPrefix(client, clientId)));
    if (tails.length === 0) return;
    const described = await client.admin.describeGroups(tails);
    const dead = described.groups
      .filter(({ state }) => state === 'Empty' || state === 'Dead')
      .map((group) => group.groupId);
    if (dead.length > 0) await client.admin.deleteGroups(dead);
  } catch (error) {
    // Another process that starts may have deleted them first.
    log.debug({ error }, 'groups of dead tails could not all be deleted');
  }
}
