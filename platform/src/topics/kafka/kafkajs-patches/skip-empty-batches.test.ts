import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { Kafka, logLevel } from 'kafkajs';
import { expect, it } from 'vitest';
import { realEngines } from '../../../testing/real-engines.ts';
import { patchEmptyBatches } from './skip-empty-batches.ts';

it('kafkajs: processes only the partitions for which a fetch returned messages', async () => {
  patchEmptyBatches();
  const { prototype: runner } = createRequire(import.meta.url)('kafkajs/src/consumer/runner');
  const { handleBatch } = runner;
  const worked: number[] = [];
  runner.handleBatch = function (batch: { messages: unknown[] }) {
    worked.push(batch.messages.length);
    return handleBatch.call(this, batch);
  };
  await using releases = new AsyncDisposableStack();
  releases.defer(() => {
    runner.handleBatch = handleBatch;
  });
  const kafka = new Kafka({ brokers: realEngines().KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING });
  const [admin, producer] = [kafka.admin(), kafka.producer({ allowAutoTopicCreation: false })];
  const [topic, groupId] = [`wide-${randomUUID()}`, `readers-${randomUUID()}`];
  await Promise.all([admin.connect(), producer.connect()]);
  releases.defer(() => producer.disconnect());
  releases.defer(() => admin.disconnect());
  await admin.createTopics({ topics: [{ topic, numPartitions: 12 }] });
  releases.defer(() => admin.deleteTopics({ topics: [topic] }));
  releases.defer(() => admin.deleteGroups([groupId]).then(() => {}));
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 20 });
  await consumer.connect();
  releases.defer(() => consumer.disconnect());
  await consumer.subscribe({ topic, fromBeginning: true });
  const seen: string[] = [];
  const fetches = Promise.withResolvers<void>();
  let fetched = 0;
  consumer.on(consumer.events.FETCH, () => {
    fetched += 1;
    if (fetched > 20) fetches.resolve();
  });
  await consumer.run({ eachMessage: async ({ message }) => void seen.push(String(message.value)) });
  await producer.send({ topic, messages: [{ key: 'a', value: 'one' }] });
  await producer.send({ topic, messages: [{ key: 'a', value: 'two' }] });
  await expect.poll(() => seen).toEqual(['one', 'two']);
  // Waits for several fetches, some of them without messages.
  await fetches.promise;
  expect(worked).not.toContain(0);
});
