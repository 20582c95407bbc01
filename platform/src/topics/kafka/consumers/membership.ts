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
  /** Returns the Kafka group id for the next consumer. A consumer that fails is replaced by another. */
  groupId(): string;
  config?: Partial<ConsumerConfig>;
  run?: Pick<ConsumerRunConfig, 'partitionsConsumedConcurrently'>;
  /** Receives a batch of a partition that is assigned to this consumer. */
  onBatch(payload: EachBatchPayload, consumer: Consumer): Promise<void>;
  /** Called when all messages through this offset were skipped because their transaction was aborted. */
  onSkipped?(partition: number, offset: number): void;
  /**
   * Called when the consumer has joined or rejoined, with the partitions that it was assigned. `isNewcomer` is true if
   * it joined as a new member of the group. Before it joined, other members may then have had its partitions.
   */
  onJoin(consumer: Consumer, partitions: ReadonlySet<number>, isNewcomer: boolean): void;
  /**
   * Called when the broker has stored a commit. A resolved `commitOffsets` does not prove that a commit is stored,
   * because kafkajs also resolves it for a stopped consumer.
   */
  onCommitted?(partition: number, offset: number): void;
  /** Called before a rebalance of the group. */
  onRebalance?(): void;
  /** Called when the consumer has crashed or left, and so has no partitions any more. */
  onEnd?(): void;
  /** Called when the consumer has left its group. */
  onLeft?(groupId: string): Promise<void>;
  /** Receives a failure if the consumer is not in its group for `joinWithinMs`, although the broker responds. */
  failures: ConsumerFailures;
  joinWithinMs: number;
  fields: { topic: string; group?: string };
  log: Log;
}

export interface Membership extends AsyncDisposable {
  /** The consumer that is in the group now. */
  readonly consumer: Consumer | undefined;
  /** Resolves when the first attempt to join has succeeded; rejects if it has failed. */
  readonly firstTry: Promise<void>;
}

const leaveWithinMs = 3_000;
const firstDelayMs = 200;
const longestDelayMs = 5_000;

/**
 * Keeps one consumer in a group, and replaces it when it crashes. A consumer is JOINING until its first assignment. It
 * is then a MEMBER, until it crashes or the membership is disposed. After that it is ENDED.
 *
 * An ended consumer leaves the group and can't rejoin, and its late batches are ignored. The next consumer is created
 * after the ended consumer has left.
 *
 * One loop creates all consumers, one after another. kafkajs may report a failed first join twice, as an error and as a
 * crash. With the loop, two reports never start two consumers.
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
      // The topic may have been deleted. The next attempt creates it if it no longer exists.
      client.forgetTopic(topic);
    }
  })();

  // `watchMembership` is not awaited, because at a stop it may be waiting for a response of the broker.
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

/** The current consumer of a membership. */
interface Member {
  consumer: Consumer | undefined;
  /** False during a rebalance. */
  isJoined: boolean;
}

interface RunConsumerOptions extends MembershipOptions {
  member: Member;
  /** Resolves when the membership is disposed. At the same time `signal` aborts. */
  stopped: Promise<void>;
  signal: AbortSignal;
  onFirstJoin(): void;
}

/** Runs one consumer. Resolves when a consumer that had joined ends; rejects if it never joined. */
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
    // If the process stops while the broker is down, the consumer can't leave its group, and waiting would be in vain.
    // The broker later removes the member, after the session time-out.
    const isInVain = signal.aborted && !(await client.answersAtOnce());
    await within(isInVain ? 0 : leaveWithinMs, consumer.disconnect())
      .then(() => onLeft(groupId))
      .catch((error: unknown) => log.debug({ error, ...fields }, 'a consumer could not leave'));
  }
}

/**
 * Wraps kafkajs's partition assigner, which kafkajs calls before each request to join. The wrapper throws once the
 * consumer has ended, so that the consumer can't rejoin.
 */
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
