import {
  type Consumer,
  type ConsumerConfig,
  type ConsumerRunConfig,
  type EachBatchPayload,
  type PartitionAssigner,
  PartitionAssigners,
} from 'kafkajs';
import { within } from '../../../async/deadline.ts';
import { pause } from '../../../async/pause.ts';
import type { Log } from '../../../process/log.ts';
import type { ConsumerFailures } from '../../consumer-failures.ts';
import { type KafkaClient, partitionsFoundWithinMs } from '../connection/client.ts';
import { watchMembership } from './watch-membership.ts';

export interface MembershipOptions {
  client: KafkaClient;
  /** Name of the topic, without the installation's prefix. */
  topic: string;
  /** The group that the next consumer joins, as named on the broker. */
  groupId(): string;
  config?: Partial<ConsumerConfig>;
  run?: Pick<ConsumerRunConfig, 'partitionsConsumedConcurrently'>;
  /** Receives a batch of a partition that is assigned to this consumer. */
  onBatch(payload: EachBatchPayload, consumer: Consumer): Promise<void>;
  /** All messages through this offset were skipped, because their transaction was aborted. */
  onSkipped?(partition: number, offset: number): void;
  /**
   * The consumer has joined or rejoined, and these partitions are assigned to it. `isNewcomer`: the group had forgotten
   * it, so that others may have had its partitions in between.
   */
  onJoin(consumer: Consumer, partitions: ReadonlySet<number>, isNewcomer: boolean): void;
  /** The broker has stored a commit. kafkajs also resolves the commits of a stopped consumer, so this is the proof. */
  onCommitted?(partition: number, offset: number): void;
  /** The group is about to rebalance. */
  onRebalance?(): void;
  /** The consumer has crashed or left; nothing is assigned to it any more. */
  onEnd?(): void;
  /** The consumer has left its group. */
  onLeft?(groupId: string): Promise<void>;
  /** Where a consumer without a group is reported. */
  failures: ConsumerFailures;
  joinWithinMs: number;
  fields: { topic: string; group?: string };
  log: Log;
}

export interface Membership extends AsyncDisposable {
  /** The consumer that is in the group now. */
  readonly consumer: Consumer | undefined;
  /** Settles with the first attempt to join. */
  readonly firstTry: Promise<void>;
}

const leaveWithinMs = 3_000;
const firstDelayMs = 200;
const longestDelayMs = 5_000;

/**
 * Keeps one consumer in a group. A consumer is JOINING until its first assignment, a MEMBER until it crashes or the
 * membership is disposed, and then ENDED.
 *
 * An ended consumer leaves, its late batches are ignored, and it can't rejoin. The next one is created after it has
 * left.
 *
 * One loop does all of this, so that never more than one consumer joins. kafkajs may report a failed first join as a
 * crash, too.
 */
export function keepMembership(options: MembershipOptions): Membership {
  const { client, topic, log, fields } = options;
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) =>
    stop.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  const firstTry = Promise.withResolvers<void>();
  firstTry.promise.catch(() => {});
  const member: Member = { consumer: undefined, isJoined: false };
  const living = (async () => {
    for (let attempt = 0; !stop.signal.aborted; attempt += 1) {
      try {
        await Promise.race([client.ensureTopic(topic), stopped]);
        if (stop.signal.aborted) return;
        await runConsumer({ ...options, member, stopped, signal: stop.signal, onFirstJoin: firstTry.resolve });
        attempt = 0;
      } catch (error) {
        firstTry.reject(error);
        log.warn({ error, ...fields }, 'a consumer could not join; a new one retries');
      }
      await pause(Math.min(firstDelayMs * 2 ** attempt, longestDelayMs), stop.signal);
      // The topic may have been deleted.
      client.forgetTopic(topic);
    }
  })();

  // Not awaited: it may be waiting for a response of the broker at stop.
  void watchMembership({ ...options, isJoined: () => member.isJoined, signal: stop.signal });

  return {
    get consumer() {
      return member.consumer;
    },
    firstTry: firstTry.promise,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await living;
    },
  };
}

/** The consumer that is in the group. */
interface Member {
  consumer: Consumer | undefined;
  /** False during a rebalance. */
  isJoined: boolean;
}

interface RunConsumerOptions extends MembershipOptions {
  member: Member;
  /** Resolves when the membership is disposed, which `signal` reports, too. */
  stopped: Promise<void>;
  signal: AbortSignal;
  onFirstJoin(): void;
}

/** Runs one consumer. Resolves when it ends after it had joined, rejects when it never joined. */
async function runConsumer(options: RunConsumerOptions): Promise<void> {
  const { client, topic, member, stopped, signal, onFirstJoin, log, fields } = options;
  const { onEnd = () => {}, onLeft = async () => {} } = options;
  const name = client.nameOf(topic);
  const groupId = options.groupId();
  const phase = { isEnded: false };
  let assigned: ReadonlySet<number> = new Set();
  let memberId = '';
  const consumer = client.kafka.consumer({
    sessionTimeout: 10_000,
    metadataMaxAge: partitionsFoundWithinMs,
    allowAutoTopicCreation: false,
    ...options.config,
    groupId,
    partitionAssigners: [refuseEnded(phase)],
    retry: { retries: 8, initialRetryTime: 100, maxRetryTime: 2_000, restartOnFailure: async () => false },
  });
  const joined = Promise.withResolvers<void>();
  const crashed = Promise.withResolvers<never>();
  crashed.promise.catch(() => {});
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    if (phase.isEnded) return;
    assigned = new Set(payload.memberAssignment[name] ?? []);
    const isNewcomer = payload.memberId !== memberId;
    memberId = payload.memberId;
    member.consumer = consumer;
    member.isJoined = true;
    options.onJoin(consumer, assigned, isNewcomer);
    joined.resolve();
  });
  consumer.on(consumer.events.CRASH, ({ payload: { error } }) => crashed.reject(error));
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, batchSize, lastOffset } }) => {
    if (batchSize === 0 && !phase.isEnded && assigned.has(partition))
      options.onSkipped?.(partition, Number(lastOffset));
  });
  consumer.on(consumer.events.REBALANCING, () => {
    if (phase.isEnded) return;
    member.isJoined = false;
    options.onRebalance?.();
  });
  consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload: { topics } }) => {
    for (const { partition, offset } of topics.flatMap(({ partitions }) => partitions))
      options.onCommitted?.(partition, Number(offset));
  });
  const start = async () => {
    await consumer.connect();
    await consumer.subscribe({ topic: name, fromBeginning: true });
    await consumer.run({
      ...options.run,
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async (payload) => {
        if (!phase.isEnded && assigned.has(payload.batch.partition)) await options.onBatch(payload, consumer);
      },
    });
    await joined.promise;
  };
  try {
    await Promise.race([start(), crashed.promise, stopped]);
    onFirstJoin();
    await Promise.race([crashed.promise, stopped]).catch((error: unknown) =>
      log.warn({ error, ...fields }, 'a consumer crashed; a new one joins'),
    );
  } finally {
    phase.isEnded = true;
    member.consumer = undefined;
    member.isJoined = false;
    onEnd();
    // A broker that is down can't respond; it removes the member after the session timeout.
    const isInVain = signal.aborted && !(await client.answersAtOnce());
    await within(isInVain ? 0 : leaveWithinMs, consumer.disconnect())
      .then(() => onLeft(groupId))
      .catch((error: unknown) => log.debug({ error, ...fields }, 'a consumer could not leave'));
  }
}

/** kafkajs's own assigner, which throws once the consumer has ended: kafkajs calls it before each request to join. */
function refuseEnded(phase: { isEnded: boolean }): PartitionAssigner {
  return (config) => {
    const assigner = PartitionAssigners.roundRobin(config);
    return {
      ...assigner,
      protocol(subscription) {
        if (phase.isEnded) throw new Error('this consumer has ended');
        return assigner.protocol(subscription);
      },
    };
  };
}
