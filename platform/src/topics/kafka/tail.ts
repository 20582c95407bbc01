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
import { isMadeAnew, readLastAgain } from './made-anew.ts';
import { keepMembership } from './membership.ts';
import { rawMessage } from './raw-message.ts';

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
 * - A partition that ends below what was read of it, or has another message there, is of a topic that was made anew:
 *   it begins again. To see that, each join and each failed fetch reads the last message once more.
 */
export async function startKafkaTail<Value>(
  { topic, from, onMessage, onReset = () => {} }: TailOptions<Value>,
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
  const offsets = await unavailable(() => settled(() => client.admin.fetchTopicOffsets(name)));
  const startedAt: Record<number, number> = {};
  const coversAfter: Record<number, number> = {};
  for (const { partition, low, high } of offsets) {
    const [oldest, end] = [Number(low), Number(high)];
    startedAt[partition] = end;
    if (from === 'now') coversAfter[partition] = end;
    else if ('last' in from) coversAfter[partition] = Math.max(oldest, end - Math.ceil(from.last / offsets.length));
    else coversAfter[partition] = Math.max(oldest, Math.min(from.after[partition] ?? 0, end));
  }
  /** Position through which each partition was given out. */
  const through: Record<number, number> = { ...coversAfter };
  const stop = new AbortController();
  /** Called whenever more was given out, a partition was reset, and when the tail stops. */
  const waiting = new Set<() => void>();
  const isThrough = (ends: Positions) =>
    Object.entries(ends).every(([partition, end]) => (through[Number(partition)] ?? 0) >= end);
  /** Of what `begin` has let in. */
  const begun = new Set<number>();
  /** By partition that waits for others: through where. */
  const barriers = new Map<number, Positions>();
  let resets = 0;
  /** By partition, when the message at `through` was published, where it is known. */
  const throughFrom: Record<number, number | undefined> = {};
  const reset = (partition: number) => {
    log.warn({ ...fields, partition }, 'the topic was made anew; its partition begins again');
    through[partition] = 0;
    startedAt[partition] = 0;
    coversAfter[partition] = 0;
    throughFrom[partition] = undefined;
    resets += 1;
    barriers.clear();
    onReset(partition);
    try {
      membership.consumer?.seek({ topic: name, partition, offset: '0' });
    } catch (error) {
      // A consumer that has crashed has no group. The next one seeks when it joins.
      log.debug({ error, ...fields, partition }, 'a partition could not be rewound yet');
    }
    for (const look of waiting) look();
  };
  /** False where a partition was reset meanwhile: what `ends` says of it means nothing any more. */
  const untilThrough = (ends: Positions): Promise<boolean> => {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const resetsBefore = resets;
    const look = () => {
      if (resets > resetsBefore) resolve(false);
      else if (isThrough(ends)) resolve(true);
      else if (stop.signal.aborted) reject(new Error('the tail is closed'));
    };
    waiting.add(look);
    look();
    return promise.finally(() => waiting.delete(look));
  };
  const ends = createCoalesced(async (): Promise<Positions> => {
    for (;;) {
      const before = { ...through };
      const resetsBefore = resets;
      const partitions = await unavailable(() => settled(() => client.admin.fetchTopicOffsets(name)));
      // What was read meanwhile may be of the new topic already, and what was read before is of none any more.
      if (resets > resetsBefore) continue;
      const found: Record<string, number> = Object.fromEntries(
        partitions.map(({ partition, high }) => [partition, Number(high)]),
      );
      // A new topic may have fewer partitions: those that are gone stand at no place any more.
      for (const [partition, position] of Object.entries(before))
        if ((found[partition] ?? 0) < position) reset(Number(partition));
      return found;
    }
  });
  const caughtUp = async (): Promise<Positions> => {
    for (;;) {
      const until = await ends();
      if (await untilThrough(until)) return until;
    }
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
    const messages = batch.messages.map((message) => rawMessage(partition, message));
    const last = { position: through[partition] ?? 0, publishedAt: throughFrom[partition] };
    if (isMadeAnew(last, messages, Number(batch.highWatermark))) {
      reset(partition);
      return;
    }
    if (!(await begin(partition, pausePartition))) return;
    for (const raw of messages) {
      if (stop.signal.aborted || isStale()) return;
      if (raw.position <= (through[partition] ?? 0)) continue;
      through[partition] = raw.position;
      let message: Message<Value>;
      try {
        message = checkedMessage(topic, raw);
      } catch (error) {
        log.warn(
          { error, ...fields, partition, position: raw.position },
          'a tail passes over a message that does not parse',
        );
        continue;
      }
      onMessage(message);
    }
    // Gaps, as of transactions, end a partition as well as messages do.
    through[partition] = Math.max(through[partition] ?? 0, Number(batch.lastOffset()) + 1);
    throughFrom[partition] = messages.find(({ position }) => position === through[partition])?.publishedAt;
    resolveOffset(batch.lastOffset());
    for (const look of waiting) look();
  };

  const verify = (consumer: Consumer, partitions: ReadonlySet<number>) => {
    for (const partition of partitions) readLastAgain(consumer, name, partition, through[partition] ?? 0);
  };
  const membership = keepMembership({
    client,
    topic: topic.name,
    groupId: () => `${tailGroupPrefix(client, clientId)}${randomUUID()}`,
    config: { maxWaitTimeInMs: 500 },
    onBatch,
    onJoin: verify,
    onFailedFetch: verify,
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
    startedAt: startedAt as Positions,
    coversAfter: coversAfter as Positions,
    caughtUp,
    async [Symbol.asyncDispose]() {
      stop.abort();
      for (const look of waiting) look();
      await membership[Symbol.asyncDispose]();
    },
  };
  try {
    await unavailable(() => membership.firstTry);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error('the start of a tail takes too long')), startWithinMs);
    const started = async () => {
      while (!(await untilThrough(startedAt)));
    };
    await unavailable(() => Promise.race([started(), late])).finally(() => clearTimeout(timer));
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
