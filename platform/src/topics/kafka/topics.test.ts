import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { silentLog } from '../../process/log.ts';
import { parkingContract } from '../../testing/contract/parking.ts';
import { stuckMessagesContract } from '../../testing/contract/stuck-messages.ts';
import { topicsContract } from '../../testing/contract/topics.ts';
import { createMemoryLog } from '../../testing/log.ts';
import { openRealDatabase, realEngines } from '../../testing/real-engines.ts';
import type { Topic } from '../../topics.ts';
import type { ConsumerLimits } from '../consumer-limits.ts';
import { connectKafka, retryUntilReady } from './connection/client.ts';
import { createKafkaTopics } from './topics.ts';

const clientId = `test-${randomUUID()}`;

async function open() {
  await using releases = new AsyncDisposableStack();
  const brokers = realEngines().KAFKA_BROKERS.split(',');
  const database = releases.use(await openRealDatabase());
  const options = { brokers, clientId, partitions: 3, retentionMs: 3_600_000, log: silentLog };
  const topics = releases.use(await createKafkaTopics({ ...options, database }));
  const kafka = new Kafka({ brokers, clientId, logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  const admin = kafka.admin();
  await Promise.all([producer.connect(), admin.connect()]);
  releases.defer(() => producer.disconnect());
  releases.defer(() => admin.disconnect());
  const owned = releases.move();
  return {
    database,
    topics,
    admin,
    /** Opens the topics port again, as in another process, with separate connections to the database. */
    async another(limits?: Partial<ConsumerLimits>) {
      return owned.use(await createKafkaTopics({ ...options, limits, database: await database.another() }));
    },
    async publishRaw(topic: string, key: string, value: string) {
      await producer.send({ topic, messages: [{ key, value }] });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const stepSchema = z.object({ key: z.string(), number: z.number() });
type Step = z.infer<typeof stepSchema>;
const newTopic = (): Topic<Step> => ({ name: `steps-${randomUUID()}`, schema: stepSchema, key: ({ key }) => key });

describe('the topics port on Kafka', () => {
  topicsContract(open);
  parkingContract(open);
  stuckMessagesContract(open);

  it('reports why the broker rejects a topic, and does not delay the start', async () => {
    // Regression: the start waited 15 s for each consumer, one after another, and logged ten lines per second that gave
    // no reason.
    await using database = await openRealDatabase();
    const log = createMemoryLog('warn');
    await using topics = await createKafkaTopics({
      brokers: realEngines().KAFKA_BROKERS.split(','),
      clientId,
      partitions: 3,
      replication: 9,
      retentionMs: 3_600_000,
      database,
      log,
    });
    // `retries` ends after 15 s. The consumer must start earlier.
    const retries = retryUntilReady(() => Promise.reject(new Error('late'))).catch(() => 'late');
    const consuming = topics.consume({ topic: newTopic(), group: 'readers', handler: async () => {} });
    expect(await Promise.race([consuming, retries])).not.toBe('late');
    expect(log.text).toContain('Replication-factor is invalid');
    expect(log.text).not.toContain('Response CreateTopics');
  });

  it('shares a group between processes, and loses nothing when one joins or leaves', async () => {
    await using set = await open();
    const topic = newTopic();
    const count = 300;
    const handled = new Map<number, number>();
    const allHandled = Promise.withResolvers<void>();
    const orders = new Map<string, number[]>();
    const handler = async ({ value: { key, number } }: { value: Step }) => {
      await new Promise((resolve) => setImmediate(resolve));
      handled.set(number, (handled.get(number) ?? 0) + 1);
      orders.set(key, [...(orders.get(key) ?? []), number]);
      if (handled.size === count) allHandled.resolve();
    };
    const publish = (from: number, to: number) =>
      set.database.transaction(async (tx) => {
        for (let number = from; number < to; number += 1)
          await set.topics.publish(tx, topic, { key: `k${number % 10}`, number });
      });
    await set.topics.consume({ topic, group: 'readers', handler });
    await publish(0, 100);
    const second = await set.another();
    const joined = await second.consume({ topic, group: 'readers', handler });
    await publish(100, 200);
    await joined[Symbol.asyncDispose]();
    await publish(200, count);
    await allHandled.promise;
    // A rebalance redelivers messages. The first deliveries of a key's messages must be in order.
    for (const numbers of orders.values())
      expect([...new Set(numbers)]).toEqual(
        [...numbers].sort((a, b) => a - b).filter((n, i, all) => all.indexOf(n) === i),
      );
  });

  it('relays messages that a stopped process has left, each once', async () => {
    await using set = await open();
    const topic = newTopic();
    const others = [await set.another(), await set.another()];
    const seen: number[] = [];
    const all = Promise.withResolvers<void>();
    await set.topics.tail({
      topic,
      from: 'now',
      onMessage: ({ value }) => {
        seen.push(value.number);
        if (seen.length === 90) all.resolve();
      },
    });
    for (let number = 0; number < 90; number += 1) {
      const publisher = [set.topics, ...others][number % 3] ?? set.topics;
      await set.database.transaction((tx) => publisher.publish(tx, topic, { key: 'one', number }));
      // One of the three processes stops. It may be the process that relays the outbox. Another process then publishes
      // in its place.
      if (number === 45) await others[0]?.[Symbol.asyncDispose]().then(() => (others[0] = others[1] as never));
    }
    await all.promise;
    expect(seen).toEqual(Array.from({ length: 90 }, (_, number) => number));
    await expect
      .poll(async () => (await set.database.query.execute(sql`select 1 from platform.outbox`)).rows)
      .toEqual([]);
  });

  it('deletes the groups of tails, even of a process that was killed', async () => {
    await using set = await open();
    const topic = newTopic();
    const groups = async () =>
      (await set.admin.listGroups()).groups.filter(({ groupId }) => groupId.startsWith(`${clientId}.tail.`));
    for (let start = 0; start < 3; start += 1) {
      const process = await set.another();
      await process.tail({ topic, from: 'now', onMessage: () => {} });
      expect(await groups()).toHaveLength(1);
      await process[Symbol.asyncDispose]();
      expect(await groups()).toEqual([]);
    }
    // A killed process does not delete its group. The group is empty once the session of its member has timed out.
    const kafka = new Kafka({ brokers: realEngines().KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING });
    const killed = kafka.consumer({ groupId: `${clientId}.tail.killed` });
    await killed.connect();
    await killed.subscribe({ topic: topic.name });
    await killed.run({ eachMessage: async () => {} });
    await killed.disconnect();
    expect(await groups()).toHaveLength(1);
    await set.another();
    await expect.poll(groups).toEqual([]);
  });

  it('created topics: have the configured partitions and retention', async () => {
    await using set = await open();
    const topic = newTopic();
    await set.topics.tail({ topic, from: 'now', onMessage: () => {} });
    const { topics } = await set.admin.fetchTopicMetadata({ topics: [topic.name] });
    expect(topics[0]?.partitions).toHaveLength(3);
    const { resources } = await set.admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: 2, name: topic.name, configNames: ['retention.ms', 'min.insync.replicas'] }],
    });
    const entries = new Map(resources[0]?.configEntries.map((entry) => [entry.configName, entry]));
    const ofTopic = 1;
    expect(entries.get('retention.ms')).toMatchObject({ configValue: '3600000', configSource: ofTopic });
    expect(entries.get('min.insync.replicas')?.configSource).not.toBe(ofTopic);
  });

  it('created topics: have the configured replicas, or the broker’s default', async () => {
    await using set = await open();
    const make = async (replication?: number) => {
      const brokers = realEngines().KAFKA_BROKERS.split(',');
      const options = { brokers, clientId, partitions: 1, retentionMs: 3_600_000, log: silentLog };
      await using client = await connectKafka({ ...options, replication });
      const { name } = newTopic();
      await client.ensureTopic(name);
      const { topics } = await set.admin.fetchTopicMetadata({ topics: [name] });
      return topics[0]?.partitions[0]?.replicas.length;
    };
    expect(await make()).toBe(1);
    expect(await make(1)).toBe(1);
    // Two replicas are refused, because the test cluster has one broker.
    await expect(make(2)).rejects.toMatchObject({ code: 'TOPICS_UNAVAILABLE' });
  });
});
