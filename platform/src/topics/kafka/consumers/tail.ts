import type { Consumer, EachBatchPayload } from 'kafkajs';
import { orUnavailable } from '../../../errors.ts';
import type { Message, Positions, Tail, TailOptions } from '../../../topics.ts';
import { type ConsumerFailures, createConsumerFailures } from '../../consumer-failures.ts';
import { defaultConsumerLimits } from '../../consumer-limits.ts';
import type { GroupContext } from '../../group-context.ts';
import { checkMessage, type RawMessage } from '../../message.ts';
import { type KafkaClient, retryUntilReady } from '../connection/client.ts';
import { keepMembership, type Membership } from './membership.ts';
import { toRawMessage } from './message.ts';
import { createReadPositions, type ReadPositions } from './read-positions.ts';
import {
  createRecreationCheck,
  type RecreationCheck,
  readOffsets,
  reportRecreated,
  type TopicOffsets,
} from './recreated.ts';
import { deleteTailGroup, newTailGroup } from './tail-groups.ts';

/** Time limit for a new tail to read everything up to `startedAt`. */
const startWithinMs = 30_000;

export interface KafkaTailContext extends Omit<GroupContext, 'database'> {
  client: KafkaClient;
  clientId: string;
}

/**
 * Starts a tail on kafkajs. kafkajs assigns partitions only to members of groups, so each consumer of a tail creates a
 * group. The group commits nothing, and is deleted at the end.
 *
 * - The tail keeps its positions in memory, and sets them at each join, because the group has no commits.
 * - When partitions are added, a key may move to an added partition, which has a higher number (`partitionOf`). To keep
 *   a key's messages in order, an added partition waits for the partitions with lower numbers. They must be read up to
 *   the ends that they had when the added partition was found.
 * - A partition that is added later is read from its beginning.
 * - When the topic was deleted and recreated, the tail stops and reports the recreation. The tail checks for a
 *   recreation at each rejoin and in each call of `caughtUp`. It also checks before it skips messages that it has
 *   already read.
 */
export async function startKafkaTail<Value>(options: TailOptions<Value>, context: KafkaTailContext): Promise<Tail> {
  const { client } = context;
  const name = client.nameOf(options.topic.name);
  await client.ensureTopic(options.topic.name);
  const read = () => orUnavailable('TOPICS_UNAVAILABLE', () => retryUntilReady(() => readOffsets(client, name)));
  const tail = new KafkaTail(options, context, { name, read, offsets: await read() });
  try {
    await tail.untilStarted();
  } catch (error) {
    await tail[Symbol.asyncDispose]();
    throw error;
  }
  return {
    startedAt: tail.startedAt,
    coversAfter: tail.coversAfter,
    caughtUp: () => tail.caughtUp(),
    [Symbol.asyncDispose]: () => tail[Symbol.asyncDispose](),
  };
}

/** The positions after which a tail starts. */
function startingPositions(from: TailOptions<unknown>['from'], { oldest, ends }: TopicOffsets): Positions {
  const count = Object.keys(ends).length;
  return Object.fromEntries(
    Object.entries(ends).map(([partition, end]) => {
      const start = oldest[Number(partition)] ?? 0;
      if (from === 'now') return [partition, end];
      if ('last' in from) return [partition, Math.max(start, end - Math.ceil(from.last / count))];
      return [partition, Math.max(start, Math.min(from.after[Number(partition)] ?? 0, end))];
    }),
  );
}

class KafkaTail<Value> implements Tail {
  readonly startedAt: Positions;
  readonly coversAfter: Positions;
  readonly #options: TailOptions<Value>;
  readonly #context: KafkaTailContext;
  readonly #failures: ConsumerFailures;
  readonly #fields: { topic: string };
  /** Name of the topic on the broker. */
  readonly #topicName: string;
  readonly #stop = new AbortController();
  /** The positions up to which `onMessage` was called. */
  readonly #positions: ReadPositions;
  /** Partitions that may be read. */
  readonly #begun = new Set<number>();
  /** For each waiting partition, the positions that must be read first. */
  readonly #barriers = new Map<number, Positions>();
  readonly #recreation: RecreationCheck;
  readonly #membership: Membership;
  #hasJoined = false;
  #leaving: PromiseLike<void> | undefined;

  constructor(
    options: TailOptions<Value>,
    context: KafkaTailContext,
    { name, read, offsets }: { name: string; read(): Promise<TopicOffsets>; offsets: TopicOffsets },
  ) {
    const { client, clientId, limits = defaultConsumerLimits, log } = context;
    const failures = context.failures ?? createConsumerFailures();
    const fields = { topic: options.topic.name };
    this.startedAt = offsets.ends;
    this.coversAfter = startingPositions(options.from, offsets);
    this.#options = options;
    this.#context = context;
    this.#failures = failures;
    this.#fields = fields;
    this.#topicName = name;
    this.#positions = createReadPositions(this.coversAfter);
    this.#recreation = createRecreationCheck({
      read,
      taken: this.#positions.through,
      onRecreated: () => this.#endAsRecreated(),
      fields,
      log,
    });
    this.#membership = keepMembership({
      client,
      topic: options.topic.name,
      groupId: () => newTailGroup(client, clientId),
      config: { maxWaitTimeInMs: 500 },
      onBatch: (payload) => this.#onBatch(payload),
      onSkipped: (partition, offset) => this.#positions.advance(partition, offset + 1),
      onJoin: (consumer, partitions) => this.#onJoin(consumer, partitions),
      onLeft: (groupId) => deleteTailGroup(client, groupId, log),
      failures,
      joinWithinMs: limits.joinWithinMs,
      fields,
      log,
    });
  }

  /** Resolves when the tail has read everything up to `startedAt`. Rejects if it can't join, or after a time limit. */
  async untilStarted(): Promise<void> {
    await orUnavailable('TOPICS_UNAVAILABLE', () => this.#membership.firstTry);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error('the start of a tail took too long')), startWithinMs);
    try {
      await orUnavailable('TOPICS_UNAVAILABLE', () =>
        Promise.race([this.#positions.untilThrough(this.startedAt), late]),
      );
    } finally {
      clearTimeout(timer);
    }
  }

  async caughtUp(): Promise<Positions> {
    const ends = await this.#readEnds();
    await this.#positions.untilThrough(ends);
    return ends;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leave(new Error('the tail is closed'));
    this.#failures.clear(this.#stop);
  }

  async #readEnds(): Promise<Positions> {
    const { ends } = await this.#recreation.read();
    this.#positions.throwIfClosed();
    return ends;
  }

  #endAsRecreated(): void {
    if (this.#stop.signal.aborted) return;
    const error = reportRecreated(this.#failures, this.#stop, this.#fields, this.#context.log);
    void this.#leave(error);
    this.#options.onEnd?.(error);
  }

  #leave(reason: Error): PromiseLike<void> {
    this.#stop.abort();
    this.#positions.close(reason);
    this.#leaving ??= this.#membership[Symbol.asyncDispose]();
    return this.#leaving;
  }

  /** Sets the positions at which kafkajs reads, because kafkajs would start at the beginning. */
  #onJoin(consumer: Consumer, partitions: ReadonlySet<number>): void {
    for (const partition of partitions)
      consumer.seek({ topic: this.#topicName, partition, offset: String(this.#positions.through[partition] ?? 0) });
    if (this.#hasJoined) void this.#recreation.isSameTopic();
    this.#hasJoined = true;
  }

  async #onBatch({ batch, resolveOffset, isStale, pause }: EachBatchPayload): Promise<void> {
    const { partition } = batch;
    const isReadBefore = Number(batch.firstOffset() ?? 0) < (this.#positions.through[partition] ?? 0);
    if (isReadBefore && !(await this.#recreation.isSameTopic())) return;
    if (!(await this.#begin(partition, pause))) return;
    for (const message of batch.messages) {
      if (this.#stop.signal.aborted || isStale()) return;
      const raw = toRawMessage(partition, message);
      if (raw.position <= (this.#positions.through[partition] ?? 0)) continue;
      this.#positions.through[partition] = raw.position;
      this.#deliver(raw);
    }
    resolveOffset(batch.lastOffset());
    // A batch may end after its last message, for example with markers of transactions.
    this.#positions.advance(partition, Number(batch.lastOffset()) + 1);
  }

  /**
   * Resolves with true if the partition may be read. Otherwise the partition is paused until the partitions with lower
   * numbers have been read up to the positions in `#barriers`.
   */
  async #begin(partition: number, pausePartition: () => () => void): Promise<boolean> {
    if (this.#begun.has(partition)) return true;
    const ends =
      this.#barriers.get(partition) ?? (partition in this.startedAt ? this.startedAt : await this.#readEnds());
    const barrier = Object.fromEntries(Object.entries(ends).filter(([below]) => Number(below) < partition));
    if (this.#positions.isThrough(barrier)) {
      this.#begun.add(partition);
      this.#barriers.delete(partition);
      return true;
    }
    this.#barriers.set(partition, barrier);
    const resume = pausePartition();
    // After resuming, the same batch is fetched and checked again.
    this.#positions
      .untilThrough(barrier)
      .then(resume)
      .catch((error: unknown) =>
        this.#context.log.debug({ error, ...this.#fields, partition }, 'a partition could not be resumed'),
      );
    return false;
  }

  #deliver(raw: RawMessage): void {
    const { topic, onMessage } = this.#options;
    const { partition, position } = raw;
    let message: Message<Value>;
    try {
      message = checkMessage(topic, raw);
    } catch (error) {
      this.#context.log.warn(
        { error, ...this.#fields, partition, position },
        'a tail skips a message that does not parse',
      );
      return;
    }
    onMessage(message);
  }
}
