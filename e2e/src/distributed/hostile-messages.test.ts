import { realEngines } from '@voucher-gateway/platform/testing/real-engines';
import { serviceNames } from '@voucher-gateway/standalone/distributed';
import { Kafka, logLevel, type Message } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCustomer } from '../customer.ts';
import { type DistributedSystem, startDistributed } from './system.ts';

/**
 * The consumer groups that must send every hostile message of a topic to the dead-letter topic. Gateways are not
 * listed, because they read topics without a consumer group and skip such messages.
 */
const readers: Readonly<Record<string, readonly string[]>> = {
  'request-code': ['delivery', 'voucher-integration'],
  'receive-code': ['delivery', 'voucher'],
  'request-acknowledged': ['voucher'],
  'request-failed': ['delivery', 'voucher'],
  'session-ended': [],
};
const partitions = 3;

/** Messages that our publishers never send. */
const hostile: Readonly<Record<string, Message>> = {
  'no JSON': { key: 'k', value: 'no json' },
  'an empty text': { key: 'k', value: '' },
  'half a JSON': { key: 'k', value: '{"requestId":"' },
  'JSON that is no object': { key: 'k', value: '[1,2,3]' },
  null: { key: 'k', value: 'null' },
  'a tombstone': { key: 'k', value: null },
  'no key, and wrong fields': { value: '{"requestId":1,"code":[],"sid":"","kid":{}}' },
  'an empty key': { key: '', value: '{}' },
  'a key that is not UTF-8': { key: Buffer.from([0xff, 0xfe, 0x00]), value: '{}' },
  'bytes that are no UTF-8': { key: 'k', value: Buffer.from([0xff, 0xfe, 0x00, 0x80]) },
  'NUL as text': { key: 'k', value: '\0\0\0' },
  'NUL in every field': {
    key: 'k\0',
    value: JSON.stringify({
      id: '\0',
      requestId: '\0',
      userId: '\0',
      code: '\0',
      phoneNumber: '\0',
      owner: { id: '\0' },
    }),
  },
  'a field of Object’s prototype': { key: '__proto__', value: '{"__proto__":{"requestId":"x"},"constructor":1}' },
  'lists nested 100,000 deep': { key: 'k', value: `${'['.repeat(100_000)}${']'.repeat(100_000)}` },
  '900 kB of no JSON': { key: 'k', value: 'x'.repeat(900_000) },
  '900 kB that is no UTF-8': { key: 'k', value: Buffer.alloc(900_000, 0xff) },
  'the largest that the broker accepts': { key: 'k', value: 'x'.repeat(1_048_000) },
  'headers of 900 kB': { key: 'k', value: '{}', headers: { large: 'x'.repeat(900_000) } },
  '900 kB in one field': { key: 'k', value: JSON.stringify({ code: 'x'.repeat(899_000) }) },
  'a header that is not UTF-8': {
    key: 'k',
    value: '{}',
    headers: { traceparent: Buffer.from([0xff, 0x00]), 'x y': 'z' },
  },
};

describe('hostile messages on real topics', { timeout: 300_000 }, () => {
  let system: DistributedSystem;
  const kafka = () => new Kafka({ brokers: realEngines().KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING });
  beforeAll(async () => {
    system = await startDistributed({ VPS_PROFILE: 'fast' });
  });
  afterAll(() => system?.[Symbol.asyncDispose]());

  /**
   * Reads the dead-letter topics. The keys of the result are `<topic>: <attack>`. Each value has the groups that sent
   * this message to dead-letter, with their error codes.
   */
  async function readDeadLetter(resources: AsyncDisposableStack) {
    const buried = new Map<string, string[]>();
    const consumer = kafka().consumer({ groupId: `${system.topicPrefix}hostile`, maxBytesPerPartition: 10_485_760 });
    await consumer.connect();
    resources.defer(() => consumer.disconnect());
    const topics = Object.keys(readers)
      .filter((topic) => readers[topic]?.length)
      .map((topic) => `${system.topicPrefix}${topic}.dead-letter`);
    await consumer.subscribe({ topics, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message: { headers = {} } }) => {
        const [topic, attack, group, error] = [
          'dead-letter-topic',
          'x-attack',
          'dead-letter-group',
          'dead-letter-error',
        ].map((name) => String(headers[name] ?? ''));
        const key = `${topic}: ${attack}`;
        buried.set(key, [...(buried.get(key) ?? []), `${group} ${error}`]);
      },
    });
    return buried;
  }

  it('hostile messages: are buried, later ones handled, and no process ends', async () => {
    await using resources = new AsyncDisposableStack();
    const pids = serviceNames.map((name) => system.pidOf(name));
    const customer = resources.use(await startCustomer(system));
    // The test sends a request and awaits its code first. After that, all topics and consumer groups exist, and the
    // gateway reads its topics.
    const next = await customer.subscribe('subscription { voucherReceived { node { code } } }');
    await customer.requestVoucher();
    await next();
    await customer.nextCallback();

    const producer = kafka().producer();
    await producer.connect();
    resources.defer(() => producer.disconnect());
    for (const topic of Object.keys(readers))
      for (const [name, message] of Object.entries(hostile))
        await producer.send({
          topic: `${system.topicPrefix}${topic}`,
          messages: Array.from({ length: partitions }, (_, partition) => ({
            ...message,
            partition,
            headers: { ...message.headers, 'x-attack': name },
          })),
        });

    // Each partition now contains hostile messages. The requests below add valid messages after the hostile ones.
    for (let count = 0; count < 6; count += 1) {
      const another = resources.use(await startCustomer(system));
      const received = await another.subscribe('subscription { voucherReceived { node { code } } }');
      await another.requestVoucher();
      const { code } = (await received()).voucherReceived.node;
      expect((await another.nextCallback()).data.code).toBe(code);
    }

    const buried = await readDeadLetter(resources);
    for (const [topic, groups] of Object.entries(readers))
      for (const name of groups.length === 0 ? [] : Object.keys(hostile))
        await expect
          .poll(() => buried.get(`${topic}: ${name}`)?.sort() ?? [])
          .toEqual(groups.flatMap((group) => Array(partitions).fill(`${group} TOPIC_VALUE_INVALID`)));
    expect(serviceNames.map((name) => system.pidOf(name))).toEqual(pids);
    for (const name of serviceNames) {
      expect(system.exitOf(name), name).toEqual({ code: null, signal: null });
      expect((await fetch(`${system.urls[name]}/health/ready`)).status, name).toBe(200);
    }
  });
});
