import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { silentLog } from '../../process/log.ts';
import { realEngines } from '../../testing/real-engines.ts';
import { deadLetterName, type Topic } from '../../topics.ts';
import { connectKafka } from './connection/client.ts';
import { kafkaDeadLetters } from './dead-letter-reader.ts';
import { createKafkaTopics } from './topics.ts';

const steps: Topic<{ number: number }> = {
  name: 'steps',
  schema: z.object({ number: z.number() }),
  key: ({ number }) => String(number),
};

/**
 * Opens a topic, and a producer that aborts its transactions. Kafka does not deliver messages of aborted transactions.
 */
async function open(name: string) {
  await using releases = new AsyncDisposableStack();
  const [brokers, clientId, prefix] = [realEngines().KAFKA_BROKERS.split(','), 'test', `${randomUUID()}.`];
  const options = { brokers, clientId, prefix, partitions: 1, retentionMs: 3_600_000, log: silentLog };
  const client = releases.use(await connectKafka(options));
  await client.ensureTopic(name);
  const kafka = new Kafka({ brokers, clientId, logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ transactionalId: randomUUID(), idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  releases.defer(() => producer.disconnect());
  const owned = releases.move();
  return {
    options,
    async abortTransaction() {
      const transaction = await producer.transaction();
      await transaction.send({ topic: client.nameOf(name), messages: [{ key: 'k', value: '{"number":1}' }] });
      await transaction.abort();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

it('kafka: a tail catches up with a topic that ends with an aborted transaction', async () => {
  // Regression: the tail waited for the messages of an aborted transaction, which are never delivered.
  await using ctx = await open(steps.name);
  await using topics = await createKafkaTopics(ctx.options);
  const seen: number[] = [];
  const onMessage = ({ value }: { value: { number: number } }) => void seen.push(value.number);
  const tail = await topics.tail({ topic: steps, from: 'now', onMessage });
  await ctx.abortTransaction();
  // The broker ends the transaction some time after the producer has aborted it.
  await expect.poll(() => tail.caughtUp()).toEqual({ 0: 2 });
  await using _another = await topics.tail({ topic: steps, from: { last: 1 }, onMessage });
  expect(seen).toEqual([]);
});

it('kafka: dead letters are read from a topic that ends with an aborted transaction', async () => {
  await using ctx = await open(deadLetterName('steps'));
  await ctx.abortTransaction();
  const values: string[] = [];
  await kafkaDeadLetters(ctx.options)(({ value }) => void values.push(value));
  expect(values).toEqual([]);
});
