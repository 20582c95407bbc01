import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { silentLog } from '../../process/log.ts';
import { openRealDatabase, realEngines } from '../../testing/real-engines.ts';
import type { Topic } from '../../topics.ts';
import { rereadTopics } from './reread.ts';
import { createKafkaTopics } from './topics.ts';

it('reread: restarts a group at the beginning of its topic, once it has no members', async () => {
  const options = {
    brokers: realEngines().KAFKA_BROKERS.split(','),
    clientId: `test-${randomUUID()}`,
    prefix: `test-${randomUUID()}.`,
    partitions: 2,
    replication: 1,
    retentionMs: 3_600_000,
    log: silentLog,
  };
  await using database = await openRealDatabase();
  const topic: Topic<{ key: string }> = { name: 'keys', schema: z.object({ key: z.string() }), key: ({ key }) => key };
  const handled: string[] = [];
  const open = async () => {
    const topics = await createKafkaTopics({ ...options, database: await database.another() });
    await topics.consume({ topic, group: 'readers', handler: async ({ value }) => void handled.push(value.key) });
    return topics;
  };
  const keys = ['a', 'b', 'c', 'd'];
  {
    await using topics = await open();
    await database.transaction((tx) =>
      topics.publishAll(
        tx,
        topic,
        keys.map((key) => ({ key })),
      ),
    );
    await expect.poll(() => handled.toSorted()).toEqual(keys);
    expect(await rereadTopics(options, ['nobody.keys', 'readers.keys'])).toEqual({
      inUse: ['readers.keys'],
      unknown: ['nobody.keys'],
    });
  }
  expect(await rereadTopics(options, ['nobody.keys', 'readers.keys'])).toEqual({
    inUse: [],
    unknown: ['nobody.keys'],
  });
  await using _topics = await open();
  await expect.poll(() => handled.length).toBe(8);
  expect(handled.slice(4).toSorted()).toEqual(keys);
});
