import { randomUUID } from 'node:crypto';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { silentLog } from '../../../process/log.ts';
import { openRealDatabase, realEngines } from '../../../testing/real-engines.ts';
import type { Topic, Topics } from '../../../topics.ts';
import type { ConsumerLimits } from '../../consumer-limits.ts';
import { partitionOf } from '../connection/partitioner.ts';
import { createKafkaTopics } from '../topics.ts';

const stepSchema = z.object({ key: z.string(), number: z.number() });
type Step = z.infer<typeof stepSchema>;

/** Creates a topic, with the actions that an operator may take on it. */
async function setUp(partitions: number) {
  await using releases = new AsyncDisposableStack();
  const brokers = realEngines().KAFKA_BROKERS.split(',');
  const clientId = `test-${randomUUID()}`;
  const database = releases.use(await openRealDatabase());
  const options = { brokers, clientId, partitions, retentionMs: 3_600_000, log: silentLog };
  const topic: Topic<Step> = { name: `steps-${randomUUID()}`, schema: stepSchema, key: ({ key }) => key };
  const admin: Admin = new Kafka({ brokers, clientId, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  releases.defer(() => admin.disconnect());
  const topics = releases.use(await createKafkaTopics({ ...options, database }));
  const owned = releases.move();
  const publishOn = (port: Topics, ...steps: Step[]) => database.transaction((tx) => port.publishAll(tx, topic, steps));
  return {
    topics,
    topic,
    admin,
    publish: (...steps: Step[]) => publishOn(topics, ...steps),
    /** Publishes from a newly started process. */
    async publishAfresh(...steps: Step[]) {
      await using fresh = await createKafkaTopics({ ...options, database: await database.another() });
      await using seen = await fresh.tail({ topic, from: 'now', onMessage: () => {} });
      await topics[Symbol.asyncDispose]();
      await publishOn(fresh, ...steps);
      await expect
        .poll(async () => Object.values(await seen.caughtUp()).reduce((sum, end) => sum + end, 0))
        .toBeGreaterThanOrEqual(Object.values(seen.startedAt).reduce((sum, end) => sum + end, 0) + steps.length);
    },
    /** Opens the topics port again, as in another process. */
    another: async (limits?: Partial<ConsumerLimits>) =>
      owned.use(await createKafkaTopics({ ...options, limits, database: await database.another() })),
    async deleteTopic() {
      await admin.deleteTopics({ topics: [topic.name] });
      await expect.poll(async () => (await admin.listTopics()).includes(topic.name)).toBe(false);
    },
    async makeTopic(numPartitions = partitions) {
      await expect
        .poll(async () => {
          const made = await admin
            .createTopics({ topics: [{ topic: topic.name, numPartitions }] })
            .catch((error: unknown) => error);
          // `createTopics` returns false if the topic exists. A reader may have created it, with the default number of
          // partitions.
          return made === false && numPartitions === partitions ? true : made;
        })
        .toBe(true);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const steps = (key: string, from: number, to: number): Step[] =>
  Array.from({ length: to - from }, (_, index) => ({ key, number: from + index }));

describe('a topic that is deleted and recreated while it is read', () => {
  const isReported = (topics: Topics, topic: Topic<Step>) =>
    topics.failures().some((failure) => failure.code === 'TOPIC_RECREATED' && failure.topic === topic.name);

  it.each([
    ['fewer', 3],
    ['as many', 5],
    ['more', 8],
  ])('stops its groups, and the next process handles all of it, with %s messages', async (_, count) => {
    await using set = await setUp(1);
    const handled: number[] = [];
    const assigned: number[] = [];
    let finished = 0;
    const consume = (on: Topics) =>
      on.consume({
        topic: set.topic,
        group: 'readers',
        onAssigned: async (_, position) => void assigned.push(position),
        onFinishedThrough: async (positions) => {
          finished = Math.max(...positions.values());
        },
        handler: async ({ value }) => void handled.push(value.number),
      });
    await consume(set.topics);
    await set.publish(...steps('a', 0, 5));
    await expect.poll(() => finished).toBe(5);
    await set.deleteTopic();
    await set.makeTopic();
    await set.publish(...steps('a', 5, 5 + count));
    await expect.poll(() => isReported(set.topics, set.topic)).toBe(true);
    await set.topics[Symbol.asyncDispose]();
    expect(handled).toEqual([0, 1, 2, 3, 4]);
    await consume(await set.another());
    await expect.poll(() => handled.length).toBe(5 + count);
    expect(handled).toEqual(Array.from({ length: 5 + count }, (_, number) => number));
    expect(assigned).toEqual([0, 0]);
    await expect.poll(() => finished).toBe(count);
  });

  it.each([
    ['messages', 3, 2],
    ['partitions', 1, 3],
  ])('ends its tails, and the next process reads all of it, with fewer %s', async (_, partitions, count) => {
    await using set = await setUp(3);
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    const seen: Step[] = [];
    const ends: Error[] = [];
    const tail = await set.topics.tail({
      topic: set.topic,
      from: 'now',
      onMessage: ({ value }) => seen.push(value),
      onEnd: (error) => ends.push(error),
    });
    await set.publish(...keys.flatMap((key) => steps(key, 0, 3)));
    await expect.poll(() => seen.length).toBe(18);
    await tail.caughtUp();
    await set.deleteTopic();
    await set.makeTopic(partitions);
    const ended = { code: 'TOPIC_RECREATED', retryable: true };
    await set.publish(...keys.flatMap((key) => steps(key, 3, 3 + count)));
    await expect.poll(() => ends).toMatchObject([ended]);
    await expect(tail.caughtUp()).rejects.toMatchObject(ended);
    expect(isReported(set.topics, set.topic)).toBe(true);
    await set.topics[Symbol.asyncDispose]();
    expect(seen).toHaveLength(18);
    const next: Step[] = [];
    const after = await (await set.another()).tail({
      topic: set.topic,
      from: { last: 100 },
      onMessage: ({ value }) => next.push(value),
    });
    await after.caughtUp();
    // A number may occur twice in a row. If the publisher still knows partitions that no longer exist, sending a batch
    // fails. The whole batch is then sent again.
    for (const key of keys) {
      const numbers = new Set(next.filter((step) => step.key === key).map(({ number }) => number));
      expect([...numbers]).toEqual(steps(key, 3, 3 + count).map(({ number }) => number));
    }
  });

  it('is reported by its readers, even if nothing is published any more', async () => {
    await using set = await setUp(1);
    const handled: number[] = [];
    await set.topics.consume({
      topic: set.topic,
      group: 'readers',
      handler: async ({ value }) => void handled.push(value.number),
    });
    await set.publish(...steps('a', 0, 2));
    await expect.poll(() => handled).toEqual([0, 1]);
    await set.deleteTopic();
    await expect.poll(() => isReported(set.topics, set.topic)).toBe(true);
  });

  it('is not reported when retention deleted unread messages', async () => {
    await using set = await setUp(1);
    const reader = await set.another({ maxHeld: 2 });
    const handled: number[] = [];
    const release = Promise.withResolvers<void>();
    await reader.consume({
      topic: set.topic,
      group: 'readers',
      concurrency: 1,
      handler: async ({ value: { number } }) => {
        if (number === 2) await release.promise;
        handled.push(number);
      },
    });
    await set.publish(...steps('a', 0, 4));
    await expect.poll(() => handled).toEqual([0, 1]);
    await set.publish(...steps('a', 4, 10));
    const topicEnd = async () => Number((await set.admin.fetchTopicOffsets(set.topic.name))[0]?.high);
    await expect.poll(topicEnd).toBe(10);
    await set.admin.deleteTopicRecords({ topic: set.topic.name, partitions: [{ partition: 0, offset: '8' }] });
    release.resolve();
    await expect.poll(() => handled.at(-1)).toBe(9);
    // A second consumer makes the group rebalance. At a rebalance, the first consumer checks whether the topic was
    // recreated.
    await using other = await set.another();
    await other.consume({
      topic: set.topic,
      group: 'readers',
      handler: async ({ value }) => void handled.push(value.number),
    });
    await set.publish(...steps('a', 10, 12));
    await expect.poll(() => handled.slice(-2)).toEqual([10, 11]);
    expect([...reader.failures(), ...other.failures()]).toEqual([]);
  });
});

describe('a topic that gets more partitions', () => {
  /** Some of these keys move to an added partition, and some stay. */
  const keys = Array.from({ length: 40 }, (_, index) => `key-${index}`);
  const moving = keys.filter((key) => partitionOf(key, 4) > 0);

  it('is handled in order per key, even if the group lags when a key moves', async () => {
    await using set = await setUp(1);
    const orders = new Map(keys.map((key) => [key, [] as number[]]));
    const others: number[] = [];
    const release = Promise.withResolvers<void>();
    const reader = await set.another();
    await reader.consume({
      topic: set.topic,
      group: 'readers',
      handler: async ({ value: { key, number } }) => {
        if (number === 1) await release.promise;
        orders.get(key)?.push(number);
      },
    });
    await reader.consume({
      topic: set.topic,
      group: 'quick readers',
      handler: async ({ value: { number } }) => void others.push(number),
    });
    await set.publish(...keys.flatMap((key) => steps(key, 0, 5)));
    await expect.poll(() => others.length).toBe(200);
    await set.admin.createPartitions({ topicPartitions: [{ topic: set.topic.name, count: 4 }] });
    await set.publishAfresh(...keys.flatMap((key) => steps(key, 5, 10)));
    // The quick group handles all messages only after it has found the added partitions. The slow group searches for
    // partitions at the same interval.
    await expect.poll(() => others.length).toBe(400);
    for (const key of moving) expect(orders.get(key)).toEqual([0]);
    release.resolve();
    await expect.poll(() => [...orders.values()].flat().length).toBe(400);
    for (const numbers of orders.values()) expect(numbers).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('is tailed in order per key, by earlier and by later tails', async () => {
    await using set = await setUp(2);
    const reader = await set.another();
    const there: Step[] = [];
    await reader.tail({ topic: set.topic, from: { last: 1_000 }, onMessage: ({ value }) => there.push(value) });
    await set.publish(...keys.flatMap((key) => steps(key, 0, 5)));
    await expect.poll(() => there.length).toBe(200);
    await set.admin.createPartitions({ topicPartitions: [{ topic: set.topic.name, count: 5 }] });
    await set.publishAfresh(...keys.flatMap((key) => steps(key, 5, 10)));
    await expect.poll(() => there.length).toBe(400);
    const later: Step[] = [];
    await reader.tail({ topic: set.topic, from: { after: {} }, onMessage: ({ value }) => later.push(value) });
    expect(later).toHaveLength(400);
    for (const seen of [there, later])
      for (const key of keys)
        expect(seen.filter((step) => step.key === key).map(({ number }) => number)).toEqual([
          0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
        ]);
  });
});
