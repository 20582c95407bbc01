import { randomUUID } from 'node:crypto';
import { Partitioners } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { silentLog } from '../../../process/log.ts';
import { realEngines } from '../../../testing/real-engines.ts';
import type { Topic } from '../../../topics.ts';
import { connectKafka } from '../connection/client.ts';
import { createKafkaProducer } from '../connection/producer.ts';
import { startKafkaGroup } from './group.ts';
import { createPartitionOrder } from './partition-order.ts';

const schema = z.object({ number: z.number() });

/** Creates a topic with three partitions, and a function that publishes to one of them. */
async function setUp() {
  await using releases = new AsyncDisposableStack();
  const client = releases.use(
    await connectKafka({
      brokers: realEngines().KAFKA_BROKERS.split(','),
      clientId: `test-${randomUUID()}`,
      partitions: 3,
      retentionMs: 3_600_000,
      log: silentLog,
    }),
  );
  const producer = client.kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  releases.defer(() => producer.disconnect());
  const topic: Topic<{ number: number }> = { name: `numbers-${randomUUID()}`, schema, key: () => '' };
  await client.ensureTopic(topic.name);
  const owned = releases.move();
  return {
    client,
    topic,
    publish: (partition: number, ...numbers: number[]) =>
      producer.send({
        topic: topic.name,
        messages: numbers.map((number) => ({ partition, key: `k${number}`, value: JSON.stringify({ number }) })),
      }),
    use: <T extends AsyncDisposable>(resource: T) => owned.use(resource),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe('kafka: the partition order of a group', () => {
  it('ends when the older partitions stall, even if others progress', async () => {
    await using set = await setUp();
    const { client, topic } = set;
    const groupId = `turns-${randomUUID()}`;
    await set.publish(0, 0, 1);
    const consumer = client.kafka.consumer({ groupId });
    const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
    await consumer.connect();
    await using _consumer = { [Symbol.asyncDispose]: () => consumer.disconnect() };
    await consumer.subscribe({ topic: topic.name });
    await consumer.run({ autoCommit: false, eachBatch: async () => {} });
    await joined;
    const commit = (partition: number, position: number) =>
      consumer.commitOffsets([{ topic: topic.name, partition, offset: String(position) }]);
    await commit(0, 1);
    const stop = new AbortController();
    const moving = (async () => {
      for (let position = 1; !stop.signal.aborted; position += 1) await commit(2, position);
    })();
    const order = createPartitionOrder({
      client,
      groupId,
      name: topic.name,
      log: silentLog,
      signal: stop.signal,
      patienceMs: 2_000,
    });
    await order.waitForOlderPartitions(1, () => false);
    stop.abort();
    await moving;
  });

  it('does not apply to a new group: no partition waits for another', async () => {
    await using set = await setUp();
    const { client, topic, publish } = set;
    const handled: number[] = [];
    const finished: number[] = [];
    const release = Promise.withResolvers<void>();
    await using _group = await startKafkaGroup({
      topic,
      group: 'readers',
      client,
      producer: set.use(createKafkaProducer(client, silentLog)),
      log: silentLog,
      onFinishedThrough: async (through) => void finished.push(...through.values()),
      async handler({ value: { number } }) {
        if (number === 1) await release.promise;
        handled.push(number);
      },
    });
    // At the end of the test, `_gate` is disposed before `_group`. Otherwise the group's disposal would wait forever
    // for the blocked handler.
    using _gate = { [Symbol.dispose]: () => release.resolve() };
    await publish(0, 0, 1);
    // Waits until the first message is handled and its position is committed.
    await expect.poll(() => finished).toEqual([1]);
    await publish(1, 2);
    await publish(2, 3);
    await expect.poll(() => handled.toSorted()).toEqual([0, 2, 3]);
    release.resolve();
    await expect.poll(() => handled.toSorted()).toEqual([0, 1, 2, 3]);
  });
});
