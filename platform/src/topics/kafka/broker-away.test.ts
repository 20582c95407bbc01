import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { within } from '../../async/deadline.ts';
import { silentLog } from '../../process/log.ts';
import { openRealDatabase, realEngines } from '../../testing/real-engines.ts';
import { startTcpProxy } from '../../testing/tcp-proxy.ts';
import type { Topic, Topics } from '../../topics.ts';
import { followTopic } from '../follow.ts';
import { createKafkaTopics } from './topics.ts';

/** A database, and Kafka topics whose broker is reached through a proxy. The test can make the proxy fail. */
async function setUp() {
  await using releases = new AsyncDisposableStack();
  const brokers = realEngines().KAFKA_BROKERS.split(',');
  const proxy = releases.use(await startTcpProxy(`kafka://${brokers[0]}`));
  const { hostname, port } = new URL(proxy.url);
  const database = releases.use(await openRealDatabase());
  const topic: Topic<number> = { name: `numbers-${randomUUID()}`, schema: z.number(), key: String };
  const owned = releases.move();
  return {
    proxy,
    database,
    topic,
    options: {
      brokers,
      clientId: `test-${randomUUID()}`,
      partitions: 2,
      retentionMs: 3_600_000,
      socketFactory: (({ onConnect }) =>
        connect(Number(port), hostname, onConnect)) as import('kafkajs').ISocketFactory,
      database,
      log: silentLog,
    },
    /** Consumes the topic; returns the array of handled messages. */
    async consume(topics: Topics): Promise<readonly number[]> {
      const handled: number[] = [];
      await topics.consume({ topic, group: 'readers', handler: async ({ value }) => void handled.push(value) });
      return handled;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const away = { code: 'TOPICS_UNAVAILABLE', retryable: true };
/** Less than the 10 s that a service has for its whole shutdown. */
const stopWithinMs = 8_000;

describe('kafka: while no broker responds', () => {
  // Regression: a service that was restarted while Kafka was down exited, so that no request was accepted.
  it('starts, stores published messages, and joins when one does', async () => {
    await using set = await setUp();
    set.proxy.cut();
    await using topics = await createKafkaTopics(set.options);
    const handled = await set.consume(topics);
    const followed: number[] = [];
    const started = Promise.withResolvers<void>();
    await using _following = await followTopic(topics, {
      topic: set.topic,
      onMessage: ({ value }) => void followed.push(value),
      onStart: started.resolve,
      log: silentLog,
    });
    await set.database.transaction((tx) => topics.publish(tx, set.topic, 1));
    await expect(topics.ping()).rejects.toMatchObject(away);
    await expect(topics.tail({ topic: set.topic, from: 'now', onMessage: () => {} })).rejects.toMatchObject(away);
    expect(handled).toEqual([]);
    set.proxy.restore();
    await expect.poll(() => handled).toEqual([1]);
    await topics.ping();
    await started.promise;
    await set.database.transaction((tx) => topics.publish(tx, set.topic, 2));
    await expect.poll(() => followed).toContain(2);
  });

  it('continues after its connections became silent, as if the host vanished', async () => {
    // Regression: nothing was sent or read until TCP closed the old connections, although every service reported that
    // it was ready.
    await using set = await setUp();
    await using topics = await createKafkaTopics({ ...set.options, requestTimeoutMs: 1_000 });
    const handled = await set.consume(topics);
    const followed: number[] = [];
    await topics.tail({ topic: set.topic, from: 'now', onMessage: ({ value }) => void followed.push(value) });
    await set.database.transaction((tx) => topics.publish(tx, set.topic, 1));
    await expect.poll(() => [handled, followed]).toEqual([[1], [1]]);
    set.proxy.vanish();
    await set.database.transaction((tx) => topics.publish(tx, set.topic, 2));
    await expect
      .poll(() => [handled, followed])
      .toEqual([
        [1, 2],
        [1, 2],
      ]);
    await topics.ping();
  });

  it('stops in time if none ever has', async () => {
    await using set = await setUp();
    set.proxy.cut();
    const topics = await createKafkaTopics(set.options);
    const group = await topics.consume({ topic: set.topic, group: 'readers', handler: async () => {} });
    await set.database.transaction((tx) => topics.publish(tx, set.topic, 1));
    await within(
      stopWithinMs,
      group[Symbol.asyncDispose]().then(() => topics[Symbol.asyncDispose]()),
    );
  });

  it.each(['cut', 'silence'] as const)(
    'stops in time when the network is lost (%s), with several groups',
    async (fault) => {
      await using set = await setUp();
      const topics = await createKafkaTopics(set.options);
      const handled = new Set<string>();
      const groups = [];
      for (const group of ['one', 'two', 'three'])
        groups.push(await topics.consume({ topic: set.topic, group, handler: async () => void handled.add(group) }));
      groups.push(await followTopic(topics, { topic: set.topic, onMessage: () => {}, log: silentLog }));
      await set.database.transaction((tx) => topics.publish(tx, set.topic, 1));
      await expect.poll(() => handled.size).toBe(3);
      set.proxy[fault]();
      await set.database.transaction((tx) => topics.publish(tx, set.topic, 2));
      // The groups stop one after another, as in a service.
      const stopping = (async () => {
        for (const group of groups) await group[Symbol.asyncDispose]();
        await topics[Symbol.asyncDispose]();
      })();
      await within(stopWithinMs, stopping);
    },
  );
});
