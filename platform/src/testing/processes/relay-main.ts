import { z } from 'zod';
import { openPostgres } from '../../database/postgres/postgres.ts';
import { silentLog } from '../../process/log.ts';
import { createKafkaTopics } from '../../topics/kafka/topics.ts';
import type { Topic } from '../../topics.ts';

// A process for relay.test.ts that publishes a number, and then relays the outbox.
const { DATABASE_URL = '', KAFKA_BROKERS = '', TOPIC = '', NUMBER = '0' } = process.env;
const database = await openPostgres({ url: DATABASE_URL, log: silentLog });
const topics = await createKafkaTopics({
  brokers: KAFKA_BROKERS.split(','),
  clientId: 'relay-main',
  partitions: 1,
  retentionMs: 3_600_000,
  database,
  log: silentLog,
});
const topic: Topic<number> = { name: TOPIC, schema: z.number(), key: () => '' };
await database.transaction((tx) => topics.publish(tx, topic, Number(NUMBER)));
