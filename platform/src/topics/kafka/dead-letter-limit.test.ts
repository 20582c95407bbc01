import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { silentLog } from '../../process/log.ts';
import { realEngines } from '../../testing/real-engines.ts';
import { deadLetterName, type Topic } from '../../topics.ts';
import { connectKafka } from './connection/client.ts';
import { createKafkaProducer } from './connection/producer.ts';
import { startKafkaGroup } from './consumers/group.ts';
import { kafkaDeadLetters } from './dead-letter-reader.ts';

// Regression: a message that was too large for the dead-letter topic was sent again and again. It blocked its key, and
// finally its partition.
it('dead-letter: cuts a message that is too large for its topic', async () => {
  const options = {
    brokers: realEngines().KAFKA_BROKERS.split(','),
    clientId: `test-${randomUUID()}`,
    prefix: `test-${randomUUID()}.`,
    partitions: 1,
    retentionMs: 3_600_000,
    log: silentLog,
  };
  await using client = await connectKafka(options);
  await using producer = createKafkaProducer(client, silentLog);
  const topic: Topic<{ number: number }> = {
    name: 'numbers',
    schema: z.object({ number: z.number() }),
    key: () => 'k',
  };
  const configEntries = [{ name: 'max.message.bytes', value: '20000' }];
  await client.admin.createTopics({
    topics: [{ topic: client.nameOf(deadLetterName(topic.name)), numPartitions: 1, configEntries }],
  });
  await client.ensureTopic(topic.name);
  const handled: number[] = [];
  await using _group = await startKafkaGroup({
    topic,
    group: 'readers',
    client,
    producer,
    log: silentLog,
    handler: async ({ value: { number } }) => void handled.push(number),
  });
  const of = (value: string) => ({ topic: topic.name, key: 'k', value, headers: {} });
  await producer.send([of('x'.repeat(300_000)), of('{"number":1}')]);
  await expect.poll(() => handled).toEqual([1]);
  const letters: { length: number; cut: string | undefined }[] = [];
  await kafkaDeadLetters(options)(({ value, headers }) => {
    letters.push({ length: value.length, cut: headers['dead-letter-cut'] });
  });
  expect(letters).toEqual([{ length: 18_750, cut: '300000' }]);
});
