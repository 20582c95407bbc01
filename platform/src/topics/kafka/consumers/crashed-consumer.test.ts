import { randomUUID } from 'node:crypto';
import type { Consumer, ConsumerRunConfig, EachBatchPayload } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { silentLog } from '../../../process/log.ts';
import { realEngines } from '../../../testing/real-engines.ts';
import type { Topic } from '../../../topics.ts';
import { defaultConsumerLimits } from '../../consumer-limits.ts';
import { connectKafka } from '../connection/client.ts';
import { createKafkaProducer } from '../connection/producer.ts';
import { startKafkaGroup } from './group.ts';
import { startKafkaTail } from './tail.ts';

const topicSchema = z.object({ number: z.number() });

/** Creates a topic with one partition, and gives access to the consumers that kafkajs creates. */
async function setUp() {
  await using releases = new AsyncDisposableStack();
  const clientId = `test-${randomUUID()}`;
  const client = releases.use(
    await connectKafka({
      brokers: realEngines().KAFKA_BROKERS.split(','),
      clientId,
      partitions: 1,
      retentionMs: 3_600_000,
      log: silentLog,
    }),
  );
  const consumers: Crashable[] = [];
  const make = client.kafka.consumer.bind(client.kafka);
  client.kafka.consumer = (config) => {
    const consumer = crashable(make(config));
    consumers.push(consumer);
    return consumer;
  };
  const producer = releases.use(createKafkaProducer(client, silentLog));
  const topic: Topic<{ number: number }> = { name: `numbers-${randomUUID()}`, schema: topicSchema, key: () => '' };
  await client.ensureTopic(topic.name);
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown) => void unhandled.push(reason);
  process.on('unhandledRejection', onUnhandled);
  releases.defer(() => void process.off('unhandledRejection', onUnhandled));
  const owned = releases.move();
  return {
    client,
    clientId,
    producer,
    topic,
    consumers,
    unhandled,
    publish: (from: number, to: number) =>
      producer.send(
        Array.from({ length: to - from }, (_, index) => ({
          topic: topic.name,
          key: `k${from + index}`,
          value: JSON.stringify({ number: from + index }),
          headers: {},
        })),
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface Crashable extends Consumer {
  /** The first step of a crash of kafkajs's consumer: it loses its group. */
  loseGroup(): Promise<void>;
  /** The second step of a crash of kafkajs's consumer: it reports the crash. */
  reportCrash(): void;
  /** Reports a rebalance that assigns these partitions to the consumer. */
  reportAssignment(memberAssignment: Record<string, number[]>): void;
  /** The consumer's handler of batches. A test calls it to deliver a batch a second time, or late. */
  handOver: NonNullable<ConsumerRunConfig['eachBatch']>;
}

/** Wraps a consumer so that it crashes in two steps, like kafkajs's consumers, with time between the steps. */
function crashable(consumer: Consumer): Crashable {
  const listeners: ((event: never) => void)[] = [];
  const joinListeners: ((event: never) => void)[] = [];
  let memberId = '';
  const run = consumer.run.bind(consumer);
  const on = consumer.on.bind(consumer) as (name: string, listener: (event: never) => void) => () => void;
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    memberId = payload.memberId;
  });
  return Object.assign(consumer, {
    run: (config: ConsumerRunConfig) => {
      Object.assign(consumer, { handOver: config.eachBatch });
      return run(config);
    },
    on: (name: string, listener: (event: never) => void) => {
      if (name === consumer.events.CRASH) listeners.push(listener);
      if (name === consumer.events.GROUP_JOIN) joinListeners.push(listener);
      return on(name, listener);
    },
    loseGroup: () => consumer.stop(),
    reportCrash: () => {
      for (const listener of listeners) listener({ payload: { error: new Error('crashed') } } as never);
    },
    reportAssignment: (memberAssignment: Record<string, number[]>) => {
      for (const listener of joinListeners) listener({ payload: { memberId, memberAssignment } } as never);
    },
  }) as unknown as Crashable;
}

describe('kafka: a consumer that crashes', () => {
  // Regression: `resume` throws while a consumer has no group. The error was not caught and ended the process.
  it('does not resume its paused partition, and another consumer continues', async () => {
    await using set = await setUp();
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const handled = new Set<number>();
    const running = Promise.withResolvers<void>();
    await set.publish(0, 6);
    await using _group = await startKafkaGroup({
      topic: set.topic,
      group: 'readers',
      concurrency: 2,
      limits: { ...defaultConsumerLimits, maxHeld: 4 },
      client: set.client,
      producer: set.producer,
      log: silentLog,
      async handler({ value: { number } }) {
        if (number === 1) running.resolve();
        await gate;
        handled.add(number);
      },
    });
    await running.promise;
    const [consumer] = set.consumers;
    await expect.poll(() => consumer?.paused()).toEqual([{ topic: set.topic.name, partitions: [0] }]);
    await consumer?.loseGroup();
    open();
    await expect.poll(() => handled.size).toBe(6);
    consumer?.reportCrash();
    await set.publish(6, 8);
    await expect.poll(() => handled.size).toBe(8);
    expect(set.unhandled).toEqual([]);
  });

  it('is replaced by exactly one consumer, even if that can not join at first', async () => {
    await using set = await setUp();
    const handled = new Set<number>();
    const options = { topic: set.topic, client: set.client, log: silentLog };
    await using _group = await startKafkaGroup({
      ...options,
      group: 'readers',
      producer: set.producer,
      async handler({ value: { number } }) {
        handled.add(number);
      },
    });
    const seen = new Set<number>();
    await using _tail = await startKafkaTail(
      { topic: set.topic, from: 'now', onMessage: ({ value: { number } }) => void seen.add(number) },
      { ...options, clientId: set.clientId },
    );
    const make = set.client.kafka.consumer;
    let failing = 4;
    set.client.kafka.consumer = (config) => {
      const consumer = make(config) as Crashable;
      if (failing-- <= 0) return consumer;
      // kafkajs reports a failed first join as a crash, and `run` resolves.
      return Object.assign(consumer, { run: async () => consumer.reportCrash() });
    };
    const before = [...set.consumers];
    for (const consumer of before) {
      await consumer.loseGroup();
      consumer.reportCrash();
    }
    await set.publish(0, 3);
    await expect.poll(() => [handled.size, seen.size]).toEqual([3, 3]);
    // kafkajs created eight consumers: two crashed, four could not join, and two joined.
    expect(set.consumers).toHaveLength(8);
    expect(set.unhandled).toEqual([]);
  });

  // Regression: a late batch of a crashed consumer was attributed to the next consumer. Messages before the batch were
  // skipped, and committed as handled.
  it('has late batches and batches of unassigned partitions ignored', async () => {
    await using set = await setUp();
    const handled = new Set<number>();
    await using _group = await startKafkaGroup({
      topic: set.topic,
      group: 'readers',
      client: set.client,
      producer: set.producer,
      log: silentLog,
      async handler({ value: { number } }) {
        handled.add(number);
      },
    });
    await set.publish(0, 3);
    await expect.poll(() => handled.size).toBe(3);
    const [first] = set.consumers;
    await first?.loseGroup();
    first?.reportCrash();
    await set.publish(3, 6);
    await expect.poll(() => handled.size).toBe(6);
    const [, second] = set.consumers;
    await first?.handOver(batchOf(set.topic.name, 0, 1_000));
    await second?.handOver(batchOf(set.topic.name, 7, 1_000));
    await set.publish(6, 9);
    await expect.poll(() => handled.size).toBe(9);
    expect([...handled].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

// No position of a revoked partition must be reported. Another consumer now has the partition, and may start at a lower
// position.
it('kafka: reports no position of a partition that was revoked during its commit', async () => {
  await using set = await setUp();
  const reported: number[] = [];
  const group = await startKafkaGroup({
    topic: set.topic,
    group: 'readers',
    client: set.client,
    producer: set.producer,
    log: silentLog,
    handler: async () => {},
    onFinishedThrough: async (positions) => void reported.push(...positions.values()),
  });
  await set.publish(0, 1);
  await expect.poll(() => reported).toEqual([1]);
  const [consumer] = set.consumers;
  if (!consumer) throw new Error('no consumer joined');
  const commit = consumer.commitOffsets.bind(consumer);
  const committed = Promise.withResolvers<void>();
  consumer.commitOffsets = async (offsets) => {
    await commit(offsets);
    consumer.reportAssignment({});
    committed.resolve();
  };
  await set.publish(1, 2);
  await committed.promise;
  await group[Symbol.asyncDispose]();
  expect(reported).toEqual([1]);
});

/** A batch of one message, in kafkajs's form. */
function batchOf(topic: string, partition: number, offset: number): EachBatchPayload {
  const message = { offset: String(offset), key: Buffer.from('k'), value: Buffer.from('{"number":1000}'), headers: {} };
  return {
    batch: {
      topic,
      partition,
      highWatermark: String(offset + 1),
      messages: [{ ...message, timestamp: '0', attributes: 0 }],
      isEmpty: () => false,
      firstOffset: () => String(offset),
      lastOffset: () => String(offset),
      offsetLag: () => '0',
      offsetLagLow: () => '0',
    },
    resolveOffset: () => {},
    heartbeat: async () => {},
    pause: () => () => {},
    commitOffsetsIfNecessary: async () => {},
    uncommittedOffsets: () => ({ topics: [] }),
    isRunning: () => true,
    isStale: () => false,
  };
}
