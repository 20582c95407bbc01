import type { Consumer, EachBatchPayload } from 'kafkajs';
import { within } from '../../../async/deadline.ts';
import { createKeyQueues } from '../../../async/key-queues.ts';
import { retryEverySecond } from '../../../async/retry.ts';
import { type ConsumeOptions, deadLetterName } from '../../../topics.ts';
import { createConsumerFailures } from '../../consumer-failures.ts';
import { defaultConsumerLimits } from '../../consumer-limits.ts';
import type { BuriedMessage } from '../../dead-letter.ts';
import type { GroupContext } from '../../group-context.ts';
import { createGroupWork, type GroupWork } from '../../group-work.ts';
import { type RawMessage, textLengthOf } from '../../message.ts';
import type { KafkaClient } from '../connection/client.ts';
import type { KafkaProducer } from '../connection/producer.ts';
import { AssignedPartition } from './assigned-partition.ts';
import { type Commits, commitTo, createCommits } from './commits.ts';
import { keepMembership, type Membership } from './membership.ts';
import { toRawMessage } from './message.ts';
import { createPartitionOrder, type PartitionOrder } from './partition-order.ts';
import { createRecreationCheck, type RecreationCheck, readOffsets, reportRecreated } from './recreated.ts';

/** Time limit of the last commit. The last commit and leaving the group together take less than `defaultStopMs`. */
const commitWithinMs = 3_000;

/**
 * Starts a member of a consumer group on kafkajs. It moves each batch to queues in memory immediately, so that kafkajs
 * continues to fetch and to send heartbeats.
 *
 * - Only the low-water mark is committed: the position up to which all messages are finished. The commits of kafkajs
 *   are turned off, because after a crash they would skip messages that were still running.
 * - At most `concurrency` messages are handled at a time. A message that waits for its next attempt does not count. A
 *   message that fails for longer than a limit is parked.
 * - A partition at its limit of messages or bytes is paused.
 * - When a partition is revoked, its finished messages are committed, and its waiting messages are dropped. A running
 *   handler completes its attempt. If the attempt fails, this member does not retry the message. A partition that stays
 *   assigned continues after its last queued message.
 * - When the topic was deleted and recreated, the member leaves, commits nothing more, and reports the recreation. It
 *   checks for a recreation when it rejoins, and before it skips messages whose positions it has already queued.
 * - A crashed consumer of kafkajs is replaced (`keepMembership`). The next consumer starts at the committed positions,
 *   because other members may have had the partitions after the crash.
 */
export async function startKafkaGroup<Value>(options: KafkaGroupOptions<Value>): Promise<AsyncDisposable> {
  const member = new GroupMember(options);
  await member.firstTry.catch(() => {});
  return { [Symbol.asyncDispose]: () => member[Symbol.asyncDispose]() };
}

export interface KafkaGroupOptions<Value> extends ConsumeOptions<Value>, GroupContext {
  client: KafkaClient;
  producer: KafkaProducer;
}

class GroupMember<Value> implements AsyncDisposable {
  /** Resolves when the first attempt to join has succeeded; rejects if it has failed. */
  readonly firstTry: Promise<void>;
  readonly #options: KafkaGroupOptions<Value>;
  readonly #fields: { topic: string; group: string };
  /** Name of the topic on the broker. */
  readonly #topicName: string;
  readonly #stop = new AbortController();
  readonly #partitions = new Map<number, AssignedPartition>();
  /**
   * Per partition, the last positions that this process has queued (`#taken`) and committed (`#committed`). Partitions
   * that were revoked stay included.
   */
  readonly #taken: Record<number, number> = {};
  readonly #committed: Record<number, number> = {};
  readonly #queues = createKeyQueues();
  readonly #work: GroupWork;
  readonly #order: PartitionOrder;
  readonly #recreation: RecreationCheck;
  readonly #membership: Membership;
  readonly #commits: Commits;
  readonly #retrying: Promise<void>;
  #leaving: Promise<void> | undefined;

  constructor(options: KafkaGroupOptions<Value>) {
    const { client, topic, group, log, limits = defaultConsumerLimits } = options;
    const failures = options.failures ?? createConsumerFailures();
    const stop = this.#stop;
    const fields = { topic: topic.name, group };
    const name = client.nameOf(topic.name);
    // The group id on the broker contains the topic. In a group with several topics, kafkajs would assign partitions as
    // if each member read all topics.
    const groupId = client.nameOf(`${group}.${topic.name}`);
    this.#options = options;
    this.#fields = fields;
    this.#topicName = name;
    this.#order = createPartitionOrder({ client, groupId, name, log, signal: stop.signal });
    this.#recreation = createRecreationCheck({
      read: () => readOffsets(client, name, groupId),
      taken: this.#taken,
      committed: this.#committed,
      onRecreated: () => {
        reportRecreated(failures, stop, fields, log);
        void this.#leave();
      },
      fields,
      log,
    });
    this.#work = createGroupWork({
      ...options,
      limits,
      failures,
      stop,
      onStopped: () => void this.#leave(),
      bury: (message) => this.#bury(message),
    });
    this.#membership = keepMembership({
      client,
      topic: topic.name,
      groupId: () => groupId,
      config: { heartbeatInterval: 3_000, rebalanceTimeout: 60_000, maxWaitTimeInMs: 1_000 },
      run: { partitionsConsumedConcurrently: 16 },
      onBatch: (payload) => this.#onBatch(payload),
      onJoin: (consumer, partitions, isNewcomer) => this.#onJoin(consumer, partitions, isNewcomer),
      onCommitted: (partition, position) => {
        this.#committed[partition] = position;
      },
      onRebalance: () => void this.#commits.tryCommit(),
      onEnd: () => {
        for (const assigned of this.#partitions.values()) this.#revoke(assigned);
      },
      failures,
      joinWithinMs: limits.joinWithinMs,
      fields,
      log,
    });
    this.firstTry = this.#membership.firstTry;
    this.#commits = createCommits({
      partitions: this.#partitions,
      topicName: name,
      consumer: () => this.#membership.consumer,
      work: this.#work,
      isPossible: () => !this.#recreation.wasRecreated,
      onFinishedThrough: options.onFinishedThrough,
      signal: stop.signal,
      fields,
      log,
    });
    this.#retrying = this.#work.retryParked();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leave();
    this.#work.clearFailure();
  }

  async #onBatch({ batch, resolveOffset, isStale }: EachBatchPayload): Promise<void> {
    if (isStale() || this.#stop.signal.aborted) return;
    const { partition } = batch;
    const first = Number(batch.firstOffset() ?? 0);
    const assigned = this.#partitions.get(partition) ?? this.#begin(partition, first);
    if (first < (this.#taken[partition] ?? 0)) {
      if (!(await this.#recreation.isSameTopic())) return;
      if (isStale() || !this.#isCurrent(assigned)) return;
    }
    for (const message of batch.messages) this.#take(assigned, toRawMessage(partition, message));
    resolveOffset(batch.lastOffset());
    if (assigned.isFull && !assigned.isPaused) this.#setPaused(assigned, true);
  }

  /** Adds a message to the queue of its key, unless it was added before. */
  #take(assigned: AssignedPartition, raw: RawMessage): void {
    const { partition, position, key } = raw;
    if (!assigned.take(position, textLengthOf(raw))) return;
    this.#taken[partition] = Math.max(this.#taken[partition] ?? 0, position);
    this.#queues.run(`${partition}/${key}`, async () => {
      await assigned.begun;
      if (assigned.isOver.aborted) return;
      const finishedThrough = () =>
        this.#isCurrent(assigned) ? this.#work.hold(partition, assigned.finishedThrough(position)) : 0;
      if (await this.#work.handle(raw, finishedThrough, assigned.isOver)) assigned.finish(position);
      if (assigned.isPaused && assigned.isDrained && this.#isCurrent(assigned)) this.#setPaused(assigned, false);
    });
  }

  /** Whether the partition is still assigned to this member. */
  #isCurrent(assigned: AssignedPartition): boolean {
    return this.#partitions.get(assigned.partition) === assigned;
  }

  #begin(partition: number, position: number): AssignedPartition {
    const { maxHeld, maxHeldBytes } = this.#work;
    const assigned = new AssignedPartition(partition, position, { stop: this.#stop.signal, maxHeld, maxHeldBytes });
    assigned.begun = this.#order
      .waitForOlderPartitions(partition, () => assigned.isOver.aborted)
      .then(() => assigned.isOver.aborted || this.#reportAssigned(assigned, position));
    this.#partitions.set(partition, assigned);
    return assigned;
  }

  #reportAssigned(assigned: AssignedPartition, position: number): Promise<boolean> {
    const { partition, isOver } = assigned;
    const { onAssigned = async () => {}, log } = this.#options;
    const report = async () => {
      await this.#work.refreshParked();
      assigned.reported = this.#work.hold(partition, position);
      await onAssigned(partition, assigned.reported);
    };
    const failing = 'the start of a partition could not be reported';
    return retryEverySecond(report, { signal: isOver, log, fields: { ...this.#fields, partition }, failing });
  }

  #setPaused(assigned: AssignedPartition, isPaused: boolean): void {
    const { partition } = assigned;
    assigned.isPaused = isPaused;
    try {
      this.#membership.consumer?.[isPaused ? 'pause' : 'resume']([{ topic: this.#topicName, partitions: [partition] }]);
    } catch (error) {
      // kafkajs throws if the consumer has crashed. The next consumer starts with all partitions unpaused, so the error
      // can be ignored.
      this.#options.log.debug({ error, ...this.#fields, partition }, 'a partition could not be paused or resumed');
    }
  }

  #onJoin(consumer: Consumer, partitions: ReadonlySet<number>, isNewcomer: boolean): void {
    for (const assigned of this.#partitions.values()) {
      const paused = [{ topic: this.#topicName, partitions: [assigned.partition] }];
      if (isNewcomer || !partitions.has(assigned.partition)) {
        this.#revoke(assigned);
        consumer.resume(paused);
      } else if (assigned.isPaused) consumer.pause(paused);
    }
    if (Object.keys(this.#taken).length > 0) void this.#recreation.isSameTopic();
    else this.#order.begin(partitions, (positions) => commitTo(consumer, this.#topicName, Object.entries(positions)));
  }

  #revoke(assigned: AssignedPartition): void {
    assigned.revoke();
    this.#partitions.delete(assigned.partition);
  }

  async #bury(message: BuriedMessage): Promise<void> {
    const { client, producer, topic } = this.#options;
    const deadLetter = deadLetterName(topic.name);
    await client.ensureTopic(deadLetter);
    await producer.send([{ topic: deadLetter, ...message }]);
  }

  /** Stops the intake, waits for running messages, commits, and leaves the group. Idempotent. */
  #leave(): Promise<void> {
    this.#leaving ??= (async () => {
      this.#stop.abort();
      await Promise.all([this.#queues.idle(), this.#retrying]);
      if (await this.#options.client.answersAtOnce()) {
        const committed = this.#commits.stopped.then(() => this.#commits.tryCommit());
        await within(commitWithinMs, committed).catch(() => {});
      }
      await this.#membership[Symbol.asyncDispose]();
    })();
    return this.#leaving;
  }
}
