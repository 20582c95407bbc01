import { randomUUID } from 'node:crypto';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { silentLog } from '../../log.ts';
import { openRealDatabase, realEngines } from '../../testing/real-engines.ts';
import type { Topic, Topics } from '../../topics.ts';
import { partitionOf } from './partition-of.ts';
import { createKafkaTopics } from './topics.ts';

const stepSchema = z.object({ key: z.string(), number: z.number() });
type Step = z.infer<typeof stepSchema>;

/** A topic of its own, and what an operator does to it. */
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
    /** Publishes by a process that has just started. */
    async publishAfresh(...steps: Step[]) {
      await using fresh = await createKafkaTopics({ ...options, database: await database.another() });
      await using seen = await fresh.tail({ topic, from: 'now', onMessage: () => {} });
      await topics[Symbol.asyncDispose]();
      await publishOn(fresh, ...steps);
      await expect
        .poll(async () => Object.values(await seen.caughtUp()).reduce((sum, end) => sum + end, 0))
        .toBeGreaterThanOrEqual(Object.values(seen.startedAt).reduce((sum, end) => sum + end, 0) + steps.length);
    },
    /** As another process has it; disposed with the rest. */
    another: async () => owned.use(await createKafkaTopics({ ...options, database: await database.another() })),
    async deleteTopic() {
      await admin.deleteTopics({ topics: [topic.name] });
      await expect.poll(async () => (await admin.listTopics()).includes(topic.name)).toBe(false);
    },
    async makeTopic(numPartitions = partitions) {
      await expect
        .poll(() =>
          admin.createTopics({ topics: [{ topic: topic.name, numPartitions }] }).catch((error: unknown) => error),
        )
        .toBe(true);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const steps = (key: string, from: number, to: number): Step[] =>
  Array.from({ length: to - from }, (_, index) => ({ key, number: from + index }));

describe('a topic that is made anew while it is read', { timeout: 180_000 }, () => {
  it('is seen through to its end by who asks all the while whether all was seen', async () => {
    await using set = await setUp(3);
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    const publish = (from: number, to: number) => set.publish(...keys.flatMap((key) => steps(key, from, to)));
    const seen: string[] = [];
    await using tail = await set.topics.tail({
      topic: set.topic,
      from: 'now',
      onMessage: ({ value: { key, number } }) => void seen.push(`${key}${number}`),
    });
    const expectSeen = async (count: number) => {
      await expect.poll(() => seen.length, { timeout: 60_000 }).toBe(count);
      await tail.caughtUp();
    };
    await publish(0, 3);
    await expectSeen(18);
    let isAsking = true;
    const asking = (async () => {
      while (isAsking) await tail.caughtUp().catch(() => {});
    })();
    await using _asking = {
      async [Symbol.asyncDispose]() {
        isAsking = false;
        await asking;
      },
    };
    for (const round of [1, 2, 3]) {
      await set.deleteTopic();
      await publish(3 * round, 3 * round + 2);
      await expectSeen(18 + 12 * round);
    }
    expect(new Set(seen).size).toBe(seen.length);
  });

  it.each([
    ['fewer', 3],
    ['as many', 10],
    ['more', 25],
  ])('is tailed from its beginning, and caught up with, where it has %s messages by then', async (_, count) => {
    await using set = await setUp(1);
    const seen: number[] = [];
    const resets: number[] = [];
    const tail = await set.topics.tail({
      topic: set.topic,
      from: { last: 100 },
      onMessage: ({ value }) => seen.push(value.number),
      onReset: (partition) => resets.push(partition),
    });
    await set.publish(...steps('a', 0, 10));
    await expect.poll(() => seen.length).toBe(10);
    await set.deleteTopic();
    await set.makeTopic();
    await set.publish(...steps('a', 10, 10 + count));
    await expect
      .poll(() => seen, { timeout: 90_000 })
      .toEqual(Array.from({ length: 10 + count }, (_, number) => number));
    expect(resets).toEqual([0]);
    expect(await tail.caughtUp()).toEqual({ 0: count });
    expect(tail.coversAfter).toEqual({ 0: 0 });
  });

  it('begins again in each partition, also in those that it does not have any more', async () => {
    await using set = await setUp(3);
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    const seen: string[] = [];
    const resets = new Set<number>();
    const tail = await set.topics.tail({
      topic: set.topic,
      from: 'now',
      onMessage: ({ value }) => seen.push(value.key),
      onReset: (partition) => resets.add(partition),
    });
    await set.publish(...keys.flatMap((key) => steps(key, 0, 3)));
    await expect.poll(() => seen.length).toBe(18);
    await set.deleteTopic();
    await set.makeTopic(1);
    await set.publish(...steps('a', 3, 4));
    await expect.poll(() => seen.length, { timeout: 60_000 }).toBe(19);
    await tail.caughtUp();
    expect(resets).toEqual(new Set(keys.map((key) => partitionOf(key, 3))));
  });

  it('is made by who reads it where nobody else does', async () => {
    await using set = await setUp(1);
    const seen: number[] = [];
    await set.topics.tail({ topic: set.topic, from: 'now', onMessage: ({ value }) => seen.push(value.number) });
    const handled: number[] = [];
    await set.topics.consume({
      topic: set.topic,
      group: 'readers',
      handler: async ({ value }) => void handled.push(value.number),
    });
    await set.publish(...steps('a', 0, 2));
    await expect
      .poll(() => [seen, handled])
      .toEqual([
        [0, 1],
        [0, 1],
      ]);
    await set.deleteTopic();
    await set.publish(...steps('a', 2, 4));
    await expect
      .poll(() => [seen, handled], { timeout: 90_000 })
      .toEqual([
        [0, 1, 2, 3],
        [0, 1, 2, 3],
      ]);
  });

  it.each([
    ['fewer', 3],
    ['as many', 5],
    ['more', 8],
  ])('is handled from its beginning, and tells so, where it has %s messages by then', async (_, count) => {
    await using set = await setUp(1);
    const handled: [number: number, finishedThrough: number][] = [];
    const assigned: number[] = [];
    let finished = -1;
    await set.topics.consume({
      topic: set.topic,
      group: 'readers',
      onAssigned: async (_, position) => void assigned.push(position),
      onFinishedThrough: async (_, { position }) => {
        finished = position;
      },
      handler: async ({ value }, { finishedThrough }) => void handled.push([value.number, finishedThrough().position]),
    });
    await set.publish(...steps('a', 0, 5));
    await expect.poll(() => finished).toBe(5);
    await set.deleteTopic();
    await set.makeTopic();
    await set.publish(...steps('a', 5, 5 + count));
    await expect.poll(() => handled.length, { timeout: 90_000 }).toBe(5 + count);
    expect(handled).toEqual([
      ...steps('a', 0, 5).map(({ number }) => [number, number + 1]),
      // What was finished of the old one says nothing of it.
      ...steps('a', 5, 5 + count).map(({ number }) => [number, number - 4]),
    ]);
    expect(assigned).toEqual([0, 0]);
    await expect.poll(() => finished).toBe(count);
  });
});

describe('a topic that gets more partitions', { timeout: 180_000 }, () => {
  /** Some whose partition changes, and some whose does not. */
  const keys = Array.from({ length: 40 }, (_, index) => `key-${index}`);
  const moving = keys.filter((key) => partitionOf(key, 4) > 0);

  it('is handled in order by key, though the group lags behind when a key moves', async () => {
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
    // Who does not lag has found the new partitions: so has who does.
    await expect.poll(() => others.length, { timeout: 90_000 }).toBe(400);
    for (const key of moving) expect(orders.get(key)).toEqual([0]);
    release.resolve();
    await expect.poll(() => [...orders.values()].flat().length, { timeout: 90_000 }).toBe(400);
    for (const numbers of orders.values()) expect(numbers).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('is tailed in order by key: by who was there, and by who comes later', async () => {
    await using set = await setUp(2);
    const reader = await set.another();
    const there: Step[] = [];
    await reader.tail({ topic: set.topic, from: { last: 1_000 }, onMessage: ({ value }) => there.push(value) });
    await set.publish(...keys.flatMap((key) => steps(key, 0, 5)));
    await expect.poll(() => there.length).toBe(200);
    await set.admin.createPartitions({ topicPartitions: [{ topic: set.topic.name, count: 5 }] });
    await set.publishAfresh(...keys.flatMap((key) => steps(key, 5, 10)));
    await expect.poll(() => there.length, { timeout: 90_000 }).toBe(400);
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
