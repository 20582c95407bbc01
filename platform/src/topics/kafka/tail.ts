import { randomUUID } from 'node:crypto';
import type { Consumer, EachBatchPayload } from 'kafkajs';
import { createCoalesced } from '../../coalesced.ts';
import type { Log } from '../../log.ts';
import type { Message, Positions, Tail, TailOptions } from '../../topics.ts';
import { createConsumerFailures } from '../consumer-failures.ts';
import { defaultConsumerLimits } from '../consumer-limits.ts';
import type { GroupContext } from '../group-context.ts';
import { checkedMessage } from '../handle.ts';
import { type KafkaClient, settled, unavailable } from './client.ts';
import { keepMembership } from './membership.ts';
import { rawMessage } from './raw-message.ts';
import { isKnownSame, isRecreated, readStanding, reportRecreated } from './recreated.ts';

/** Groups of tails bear this prefix, and nobody else's do. */
export const tailGroupPrefix = (client: KafkaClient, clientId: string) => client.nameOf(`${clientId}.tail.`);

/** What a tail reads through before it resolves may take this long. */
const startWithinMs = 30_000;

/**
 * A tail on kafkajs, which assigns partitions to groups alone: one group per consumer, that commits nothing and is
 * deleted when it ends.
 *
 * - Where each partition goes on is held here, and set again at each join, because kafkajs would start over.
 * - A partition is begun behind what those below it held when it was found: a key moves to new partitions alone
 *   (`partitionOf`), so its messages come in order. One that is found later starts at its beginning.
 * - A topic that was deleted and recreated is not followed: the tail stops and says so. It looks for that when it joins,
 *   when it is asked whether it has caught up, and before it passes over what it has given already.
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
  const read = () => unavailable(() => settled(() => readStanding(client, name)));
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
  /** Position through which each partition was given out. */
  const through: Record<number, number> = { ...coversAfter };
  const stop = new AbortController();
  /** Called whenever more was given out, and when the tail stops. */
  const waiting = new Set<() => void>();
  const isThrough = (ends: Positions) =>
    Object.entries(ends).every(([partition, end]) => (through[Number(partition)] ?? 0) >= end);
  /** Of what `begin` has let in. */
  const begun = new Set<number>();
  /** By partition that waits for others: through where. */
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
    // As of before: it grows meanwhile.
    const before = { ...through };
    const standing = await read();
    if (!stop.signal.aborted && isRecreated(standing, before)) {
      const error = reportRecreated(failures, stop, fields, log);
      endedBy = error;
      void leave();
      onEnd(error);
    }
    if (stop.signal.aborted) throw endedBy;
    return standing.ends;
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

  /** Whether a partition may be given out; else it is paused until those below it are through. */
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
    // It is read again then, and looked at again.
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
      const raw = rawMessage(partition, message);
      if (raw.position <= (through[partition] ?? 0)) continue;
      through[partition] = raw.position;
      let checked: Message<Value>;
      try {
        checked = checkedMessage(topic, raw);
      } catch (error) {
        log.warn(
          { error, ...fields, partition, position: raw.position },
          'a tail passes over a message that does not parse',
        );
        continue;
      }
      onMessage(checked);
    }
    // Gaps, as of transactions, end a partition as well as messages do.
    through[partition] = Math.max(through[partition] ?? 0, Number(batch.lastOffset()) + 1);
    resolveOffset(batch.lastOffset());
    for (const look of waiting) look();
  };

  let hasJoined = false;
  /** kafkajs would start over. */
  const goOn = (consumer: Consumer, partitions: ReadonlySet<number>) => {
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
    onJoin: goOn,
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
    await unavailable(() => membership.firstTry);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error('the start of a tail takes too long')), startWithinMs);
    await unavailable(() => Promise.race([untilThrough(startedAt), late])).finally(() => clearTimeout(timer));
  } catch (error) {
    await tail[Symbol.asyncDispose]();
    throw error;
  }
  return tail;
}

/** Deletes the groups of tails whose process was killed: nobody is in them any more. */
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
