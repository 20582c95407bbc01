import { realEngines } from '@voucher-gateway/platform/testing/real-engines';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Customer, startCustomer } from '../customer.ts';
import { type Follower, startFollower } from '../follower.ts';
import { requestSomehow, storedVouchers } from '../resume-run.ts';
import { type DistributedSystem, startDistributed } from './system.ts';

/** A customer, and a subscriber that follows the customer's vouchers from the first one. */
interface Followed {
  customer: Customer;
  /** The cursor before the customer's first voucher. */
  start: string;
  follower: Follower;
}

describe('resume: a client sees each voucher once', { timeout: 300_000 }, () => {
  let system: DistributedSystem;
  let admin: Admin;
  let database: pg.Client;
  let topic: string;
  beforeAll(async () => {
    // The gateway keeps few recent messages, so that messages are evicted soon.
    system = await startDistributed({ VPS_PROFILE: 'fast', DRAIN_WINDOW: '1ms', TOPIC_WINDOW: '20' });
    topic = `${system.topicPrefix}receive-code`;
    admin = new Kafka({ brokers: realEngines().KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING }).admin();
    database = new pg.Client({ connectionString: system.databaseUrl });
    await Promise.all([admin.connect(), database.connect()]);
  });
  afterAll(async () => {
    await admin?.disconnect();
    await database?.end();
    await system?.[Symbol.asyncDispose]();
  });

  const gateway = () => system.gatewayUrl;
  const request = (customer: Customer) => requestSomehow(customer, gateway);
  /** Starts a subscriber that reconnects after one to three vouchers. */
  const follow = async (resources: AsyncDisposableStack): Promise<Followed> => {
    const customer = resources.use(await startCustomer(system));
    const { cursor } = await request(customer);
    const patience = () => 1 + Math.floor(Math.random() * 3);
    return {
      customer,
      start: cursor,
      follower: resources.use(startFollower({ token: customer.token, after: cursor, nextGateway: gateway, patience })),
    };
  };
  /** Checks that `count` vouchers of the customer are stored, and that the follower saw them in the same order. */
  const expectAllSeen = async ({ customer, follower }: Followed, count: number) => {
    const stored = () => storedVouchers(customer, system.gatewayUrl);
    await expect.poll(async () => (await stored()).length).toBe(count);
    await expect.poll(() => follower.seen).toEqual(await stored());
    expect(follower.refusals).toEqual([]);
  };
  /** Locks the table of vouchers until disposed. Meanwhile the voucher subgraph responds, but can't store vouchers. */
  const holdStore = async (): Promise<AsyncDisposable> => {
    await database.query('begin');
    await database.query('lock table voucher.voucher in share mode');
    return { [Symbol.asyncDispose]: async () => void (await database.query('commit')) };
  };
  const published = async () => (await admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0);

  /** Requests `count` vouchers per customer. Resolves once all their codes are in the topic. */
  const requestMany = async (all: readonly Followed[], count: number) => {
    const before = await published();
    await Promise.all(all.flatMap(({ customer }) => Array.from({ length: count }, () => request(customer))));
    await expect.poll(published).toBeGreaterThanOrEqual(before + all.length * count);
  };
  const followMany = (resources: AsyncDisposableStack, count: number) =>
    Promise.all(Array.from({ length: count }, () => follow(resources)));

  it('if the store lags far behind a gateway that has just started', async () => {
    await using resources = new AsyncDisposableStack();
    const followed = await follow(resources);
    const { customer, follower, start } = followed;
    await expectAllSeen(followed, 1);
    {
      await using _held = await holdStore();
      // The gateway keeps 20 messages in memory (TOPIC_WINDOW). 60 messages are three times as many.
      await requestMany([followed], 60);
      await system.kill('gateway', 'SIGKILL');
      await system.start('gateway');
      await using late = startFollower({ token: customer.token, after: start, nextGateway: gateway });
      await expect.poll(() => [late, follower].map(({ seen }) => seen.length)).toEqual([61, 61]);
      expect(late.seen).toEqual(follower.seen);
      expect(await storedVouchers(customer, system.gatewayUrl)).toHaveLength(1);
    }
    await expectAllSeen(followed, 61);
  });

  it('if the topic gets more partitions while the store lags', async () => {
    await using resources = new AsyncDisposableStack();
    const all = await followMany(resources, 8);
    await Promise.all(all.map((followed) => expectAllSeen(followed, 1)));
    {
      await using _held = await holdStore();
      await requestMany(all, 5);
      await admin.createPartitions({ topicPartitions: [{ topic, count: 6 }] });
      // After its restart, voucher-integration publishes to the new partitions. Consumers find the new partitions within
      // seconds.
      await system.kill('voucher-integration', 'SIGTERM');
      await system.start('voucher-integration');
      await requestMany(all, 5);
      await expect.poll(() => all.map(({ follower }) => follower.seen.length)).toEqual(all.map(() => 11));
    }
    const moved = (await admin.fetchTopicOffsets(topic)).filter(({ partition }) => partition >= 3);
    expect(moved.reduce((sum, { high }) => sum + Number(high), 0)).toBeGreaterThan(0);
    await Promise.all(all.map((followed) => expectAllSeen(followed, 11)));
  });
});
