import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { ConfigResourceTypes } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openPostgres } from '../../../database/postgres/postgres.ts';
import { silentLog } from '../../../process/log.ts';
import { createMemoryLog } from '../../../testing/log.ts';
import { openRealDatabase, realEngines } from '../../../testing/real-engines.ts';
import { startTcpProxy } from '../../../testing/tcp-proxy.ts';
import type { Topic } from '../../../topics.ts';
import { readParked, retryAtOnce } from '../../parked-messages.ts';
import { connectKafka } from '../connection/client.ts';
import { createKafkaTopics } from '../topics.ts';

const relayMain = fileURLToPath(new URL('../../../testing/processes/relay-main.ts', import.meta.url));

/** Creates a topic and publishers, and records the messages read from the topic in order. */
async function setUp() {
  await using releases = new AsyncDisposableStack();
  const { KAFKA_BROKERS } = realEngines();
  const database = releases.use(await openRealDatabase());
  const options = {
    brokers: KAFKA_BROKERS.split(','),
    clientId: `test-${randomUUID()}`,
    partitions: 1,
    retentionMs: 3_600_000,
    log: silentLog,
  };
  const topic: Topic<number> = { name: `numbers-${randomUUID()}`, schema: z.number(), key: () => '' };
  const readers = releases.use(await createKafkaTopics(options));
  const seen: number[] = [];
  releases.use(await readers.tail({ topic, from: 'now', onMessage: ({ value }) => void seen.push(value) }));
  const owned = releases.move();
  return {
    database,
    topic,
    seen,
    openTopics: async (on = database as Awaited<ReturnType<typeof openPostgres>>) =>
      owned.use(await createKafkaTopics({ ...options, database: on })),
    /** Starts a process that publishes the number and relays it. */
    async startRelay(number: number) {
      const child = spawn(process.execPath, [relayMain], {
        stdio: ['ignore', 'inherit', 'inherit'],
        env: { ...process.env, DATABASE_URL: database.url, KAFKA_BROKERS, TOPIC: topic.name, NUMBER: String(number) },
      });
      const exit = once(child, 'exit');
      owned.defer(async () => {
        child.kill('SIGKILL');
        await exit;
      });
      await expect.poll(() => seen).toContain(number);
      return child;
    },
    holders: async () =>
      (await database.query.execute<{ holder: string }>(sql`select distinct holder from platform.lease`)).rows.map(
        ({ holder }) => holder,
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe('kafka: the relay of the outbox', () => {
  // Regression: the connection of the frozen process kept its lock, so that nothing was relayed any more.
  it('is replaced once its lease expires while it is frozen, and then sends nothing', async () => {
    await using set = await setUp();
    const frozen = await set.startRelay(0);
    const topics = await set.openTopics();
    frozen.kill('SIGSTOP');
    await set.database.transaction((tx) => topics.publishAll(tx, set.topic, [1, 2, 3]));
    await expect.poll(() => set.seen).toEqual([0, 1, 2, 3]);
    const [follower] = await set.holders();
    frozen.kill('SIGCONT');
    await set.database.transaction((tx) => topics.publishAll(tx, set.topic, [4, 5, 6]));
    await expect.poll(() => set.seen).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(await set.holders()).toEqual([follower]);
  });

  it('is replaced at once when its process is killed', async () => {
    await using set = await setUp();
    const killed = await set.startRelay(0);
    const topics = await set.openTopics();
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    // The lease is extended by an hour, so that only the lost connection can be the cause of the takeover.
    await set.database.query.execute(sql`update platform.lease set expires_at = now() + interval '1 hour'`);
    await set.database.transaction((tx) => topics.publishAll(tx, set.topic, [1, 2, 3]));
    await expect.poll(() => set.seen).toEqual([0, 1, 2, 3]);
  });

  it('is replaced when its database connection is silent, and can relay again', async () => {
    await using set = await setUp();
    await using proxy = await startTcpProxy(set.database.url);
    await using cutOff = await openPostgres({ url: proxy.url, log: silentLog });
    const first = await set.openTopics(cutOff);
    await cutOff.transaction((tx) => first.publish(tx, set.topic, 0));
    await expect.poll(() => set.seen).toEqual([0]);
    const second = await set.openTopics();
    proxy.silence();
    await set.database.transaction((tx) => second.publish(tx, set.topic, 1));
    await expect.poll(() => set.seen).toEqual([0, 1]);
    proxy.restore();
    await second[Symbol.asyncDispose]();
    await expect
      .poll(() =>
        cutOff
          .transaction((tx) => first.publish(tx, set.topic, 2))
          .then(
            () => true,
            () => false,
          ),
      )
      .toBe(true);
    await expect.poll(() => set.seen).toEqual([0, 1, 2]);
    await first[Symbol.asyncDispose]();
  });

  // Regression: one message that was too large for the broker blocked all later messages permanently.
  it('parks a message that is too large for the broker, and sends it on replay', async () => {
    await using releases = new AsyncDisposableStack();
    const database = releases.use(await openRealDatabase());
    const log = createMemoryLog();
    const options = {
      brokers: realEngines().KAFKA_BROKERS.split(','),
      clientId: `test-${randomUUID()}`,
      partitions: 1,
      retentionMs: 3_600_000,
      log,
    };
    const name = `texts-${randomUUID()}`;
    const schema = z.object({ requestId: z.string(), text: z.string() });
    const topic: Topic<z.output<typeof schema>> = { name, schema, key: ({ requestId }) => requestId };
    const { admin } = releases.use(await connectKafka(options));
    const limit = (bytes: number) => ({ name: 'max.message.bytes', value: String(bytes) });
    await admin.createTopics({ topics: [{ topic: name, numPartitions: 1, configEntries: [limit(50_000)] }] });
    const topics = releases.use(await createKafkaTopics({ ...options, database }));
    const seen: string[] = [];
    releases.use(await topics.tail({ topic, from: 'now', onMessage: ({ value }) => void seen.push(value.requestId) }));
    const values = Array.from({ length: 40 }, (_, n) => ({
      requestId: `r${n}`,
      text: randomBytes(n === 20 ? 40_000 : 5_000).toString('hex'),
    }));
    await database.transaction((tx) => topics.publishAll(tx, topic, values));
    const others = values.map(({ requestId }) => requestId).filter((requestId) => requestId !== 'r20');
    await expect.poll(() => seen).toEqual(others);
    const [parked] = await readParked(database.query, { limit: 10 });
    expect(parked).toMatchObject({ topic: name, group: 'outbox', errorCode: 'TOPIC_VALUE_TOO_LARGE', attempts: 0 });
    expect(log.text).toMatch(/"code":"TOPIC_VALUE_TOO_LARGE".*"requestId":"r20".*the broker rejected a message/);
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name, configEntries: [limit(500_000)] }],
    });
    await retryAtOnce(database.query, 'all');
    await expect.poll(() => seen).toEqual([...others, 'r20']);
    expect(await readParked(database.query, { limit: 10 })).toEqual([]);
  });

  // Regression: each topic opened a connection every half second, only to ask for the lease.
  it('waits on one connection, however many topics there are', async () => {
    await using set = await setUp();
    await set.startRelay(0);
    await using proxy = await startTcpProxy(set.database.url);
    await using standingBy = await openPostgres({ url: proxy.url, log: silentLog, poolSize: 1 });
    const topics = await set.openTopics(standingBy);
    const others = Array.from({ length: 5 }, (_, n) => ({ ...set.topic, name: `${set.topic.name}-${n}` }));
    for (const other of [set.topic, ...others])
      await standingBy.transaction((tx) => topics.publish(tx, other, other === set.topic ? 1 : 0));
    await expect.poll(() => set.seen).toEqual([0, 1]);
    await expect
      .poll(async () => (await set.database.query.execute(sql`select 1 from platform.lease`)).rows.length)
      .toBe(6);
    // There are three connections: one in the pool, one for notifications, and one for all leases.
    expect(proxy.taken).toBe(3);
    await topics[Symbol.asyncDispose]();
  });
});
