import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { within } from '../../../async/deadline.ts';
import { silentLog } from '../../../process/log.ts';
import { realEngines } from '../../../testing/real-engines.ts';
import { startTcpProxy } from '../../../testing/tcp-proxy.ts';
import type { Topic } from '../../../topics.ts';
import { createConsumerFailures } from '../../consumer-failures.ts';
import { defaultConsumerLimits } from '../../consumer-limits.ts';
import { connectKafka } from '../connection/client.ts';
import { createKafkaProducer } from '../connection/producer.ts';
import { startKafkaGroup } from './group.ts';
import { startKafkaTail } from './tail.ts';

/** API keys of the Kafka protocol. */
const [findCoordinator, joinGroup, syncGroup] = [10, 11, 14];
const isRequest = (data: Buffer, apiKey: number) => data.length > 6 && data.readInt16BE(4) === apiKey;

const topicSchema = z.object({ number: z.number() });

/** Creates a topic, and a client that reaches the broker through a proxy with faults. */
async function setUp() {
  await using releases = new AsyncDisposableStack();
  const brokers = realEngines().KAFKA_BROKERS.split(',');
  const proxy = releases.use(await startTcpProxy(`kafka://${brokers[0]}`));
  const { hostname, port } = new URL(proxy.url);
  const options = { brokers, partitions: 4, retentionMs: 3_600_000, log: silentLog };
  const clientId = `test-${randomUUID()}`;
  const direct = releases.use(await connectKafka({ ...options, clientId: `${clientId}-direct` }));
  const client = releases.use(
    await connectKafka({
      ...options,
      clientId,
      socketFactory: ({ onConnect }) => connect(Number(port), hostname, onConnect),
    }),
  );
  const producer = releases.use(createKafkaProducer(direct, silentLog));
  const topic: Topic<{ number: number }> = { name: `numbers-${randomUUID()}`, schema: topicSchema, key: () => '' };
  await direct.ensureTopic(topic.name);
  let published = 0;
  const owned = releases.move();
  return {
    proxy,
    direct,
    client,
    clientId,
    producer,
    topic,
    options: { topic, client, producer, log: silentLog },
    /** Publishes messages, and resolves with the total number so far. */
    async publish() {
      const numbers = Array.from({ length: 40 }, () => published++);
      const messages = numbers.map((number) => ({ key: `k${number}`, value: JSON.stringify({ number }), headers: {} }));
      await producer.send(messages.map((message) => ({ topic: topic.name, ...message })));
      return published;
    },
    /** Cuts the connection of each of the next `times` requests with this API key of the Kafka protocol. */
    async failAt(apiKey: number, when: 'before' | 'after', times: number) {
      const { promise, resolve } = Promise.withResolvers<void>();
      let left = times;
      const stopCutting = proxy.cutAt((data) => {
        if (!isRequest(data, apiKey) || left === 0) return false;
        left -= 1;
        if (left === 0) resolve();
        return true;
      }, when);
      await promise;
      stopCutting();
    },
    /** The number of members of each group with this id prefix. */
    async members(prefix: string) {
      const { groups } = await direct.admin.listGroups();
      const ids = groups.map(({ groupId }) => groupId).filter((id) => id.startsWith(prefix));
      const described = await direct.admin.describeGroups(ids);
      return described.groups.filter(({ members }) => members.length > 0).map(({ members }) => members.length);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const faults = [
  ['JoinGroup', joinGroup, 'before'],
  ['SyncGroup', syncGroup, 'after'],
] as const;

describe('kafka: joining a group', () => {
  // Regression: a consumer without a group did nothing, and its service reported that it was healthy.
  it('fails after too long without a group while the broker responds, until it joins', async () => {
    await using set = await setUp();
    const failures = createConsumerFailures();
    const limits = { ...defaultConsumerLimits, joinWithinMs: 400 };
    const stopCutting = set.proxy.cutAt((data) => isRequest(data, joinGroup), 'before');
    const handled = new Set<number>();
    await using _group = await startKafkaGroup({
      ...set.options,
      failures,
      limits,
      group: set.clientId,
      async handler({ value: { number } }) {
        handled.add(number);
      },
    });
    const found = { code: 'CONSUMER_NOT_JOINED', topic: set.topic.name };
    await expect.poll(() => failures.list()).toMatchObject([{ ...found, group: set.clientId }]);
    stopCutting();
    const published = await set.publish();
    await expect.poll(() => handled.size).toBe(published);
    await expect.poll(() => failures.list()).toEqual([]);

    await using _tail = await startKafkaTail(
      { topic: set.topic, from: 'now', onMessage() {} },
      { ...set.options, failures, limits, clientId: set.clientId },
    );
    const cutAgain = set.proxy.cutAt((data) => isRequest(data, joinGroup), 'before');
    set.proxy.cut();
    await expect.poll(() => set.members(set.clientId)).toEqual([]);
    expect(failures.list()).toEqual([]);
    set.proxy.restore();
    await expect
      .poll(() =>
        failures
          .list()
          .map(({ group }) => group ?? 'tail')
          .toSorted(),
      )
      .toEqual(['tail', set.clientId].toSorted());
    cutAgain();
    await expect.poll(() => failures.list()).toEqual([]);
  });

  it('does not fail while the broker is down, however long', async () => {
    await using set = await setUp();
    const failures = createConsumerFailures();
    let missed = 0;
    const client = {
      ...set.client,
      ping: () =>
        set.client.ping().catch((error: unknown) => {
          missed += 1;
          throw error;
        }),
    };
    set.proxy.cut();
    await using _group = await startKafkaGroup({
      ...set.options,
      client,
      failures,
      limits: { ...defaultConsumerLimits, joinWithinMs: 100 },
      group: set.clientId,
      async handler() {},
    });
    await expect.poll(() => missed).toBeGreaterThan(8);
    expect(failures.list()).toEqual([]);
    set.proxy.restore();
  });

  it.each(faults)('leaves one member after %s (%i) failed, cut %s it arrived', async (_name, apiKey, when) => {
    await using set = await setUp();
    const handled = new Set<number>();
    await using _group = await startKafkaGroup({
      ...set.options,
      group: set.clientId,
      async handler({ value: { number } }) {
        handled.add(number);
      },
    });
    const seen = new Set<number>();
    await using _tail = await startKafkaTail(
      { topic: set.topic, from: 'now', onMessage: ({ value: { number } }) => void seen.add(number) },
      { ...set.options, clientId: set.clientId },
    );
    const failing = set.failAt(apiKey, when, 4);
    // The connections stay cut until the broker has removed the old members, so that each member must rejoin.
    set.proxy.cut();
    await expect.poll(() => set.members(set.clientId)).toEqual([]);
    set.proxy.restore();
    await failing;
    const published = await set.publish();
    await expect.poll(() => [handled.size, seen.size]).toEqual([published, published]);
    await expect.poll(() => set.members(set.clientId)).toEqual([1, 1]);
  });

  // Regression: a consumer that was disposed while it was joining still joined its group. It handled nothing, and its
  // partitions stalled.
  it('is given up when the consumer is disposed, even if the broker responds later', async () => {
    await using set = await setUp();
    const group = await startKafkaGroup({ ...set.options, group: set.clientId, async handler() {} });
    set.proxy.cut();
    await expect.poll(() => set.members(set.clientId)).toEqual([]);
    const joining = Promise.withResolvers<void>();
    const stopWatching = set.proxy.cutAt((data) => {
      if (!isRequest(data, findCoordinator)) return false;
      set.proxy.silence();
      joining.resolve();
      return false;
    }, 'before');
    set.proxy.restore();
    await joining.promise;
    stopWatching();
    // A service has 10 s for its whole shutdown.
    await within(8_000, group[Symbol.asyncDispose]());
    set.proxy.restore();
    const handled = new Set<number>();
    await using _next = await startKafkaGroup({
      ...set.options,
      client: set.direct,
      group: set.clientId,
      async handler({ value: { number } }) {
        handled.add(number);
      },
    });
    const published = await set.publish();
    await expect.poll(() => handled.size).toBe(published);
    expect(await set.members(set.clientId)).toEqual([1]);
  });
});
