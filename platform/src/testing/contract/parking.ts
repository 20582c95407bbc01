import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parkedMessage } from '../../database/tables.ts';
import { CodedError } from '../../errors.ts';
import type { ConsumerLimits } from '../../topics/consumer-limits.ts';
import { partitionOf } from '../../topics/kafka/partitioner.ts';
import { type ConsumeOptions, deadLetterName, type Handler, type Topic } from '../../topics.ts';
import type { TopicsUnderTest } from './topics.ts';

const stepSchema = z.object({ key: z.string(), number: z.number().int() });
type Step = z.infer<typeof stepSchema>;
const group = 'readers';

/** The contract of the topics port for messages that a consumer can't handle. */
export function parkingContract(open: () => Promise<TopicsUnderTest>): void {
  const setUp = async () => {
    const under = await open();
    const topic: Topic<Step> = { name: `steps-${randomUUID()}`, schema: stepSchema, key: ({ key }) => key };
    return {
      ...under,
      topic,
      publish: (...steps: Step[]) => under.database.transaction((tx) => under.topics.publishAll(tx, topic, steps)),
      /** A member of the group in a process with these limits. */
      async consume(
        handler: Handler<Step>,
        { limits, ...options }: Partial<ConsumeOptions<Step>> & { limits?: Partial<ConsumerLimits> } = {},
      ) {
        const topics = await under.another(limits);
        return { topics, consumer: await topics.consume({ topic, group, handler, ...options }) };
      },
      /** The parked messages in the database, oldest first. */
      parked: () => under.database.query.select().from(parkedMessage).orderBy(parkedMessage.id),
      /** Keys and numbers of the messages that go to dead-letter from now on. */
      async deadLetters() {
        const dead: string[] = [];
        await under.topics.consume({
          topic: { ...topic, name: deadLetterName(topic.name) },
          group: 'undertaker',
          handler: async ({ value }) => void dead.push(nameOf(value)),
        });
        return dead;
      },
      [Symbol.asyncDispose]: () => under[Symbol.asyncDispose](),
    };
  };
  const nameOf = ({ key, number }: Step) => `${key}${number}`;
  const steps = (key: string, count: number) => Array.from({ length: count }, (_, number) => ({ key, number }));
  /** Keys of one partition. */
  const keysTogether = (count: number) =>
    Array.from({ length: 20 * count }, (_, index) => `k${index}-`)
      .filter((key) => partitionOf(key, 3) === 0)
      .slice(0, count);
  const soon = { limits: { parkAfterMs: 100 } };

  describe('parking', () => {
    // Regression: such a message blocked its key, and the group's committed position, for as long as it failed.
    it('parks a message that fails for too long, and the group’s position advances', async () => {
      await using set = await setUp();
      const { publish, consume, parked } = set;
      const before: string[] = [];
      const { consumer } = await consume(async ({ value }) => {
        if (value.key === 'bad') throw new TypeError('x is not a function');
        before.push(nameOf(value));
      }, soon);
      await publish({ key: 'bad', number: 0 }, ...steps('good', 3));
      await expect.poll(parked).toMatchObject([{ errorCode: 'TypeError', errorMessage: 'x is not a function' }]);
      await expect.poll(() => before).toEqual(['good0', 'good1', 'good2']);
      await consumer[Symbol.asyncDispose]();

      const after: string[] = [];
      await consume(async ({ value }) => void after.push(nameOf(value)));
      await publish({ key: 'good', number: 3 });
      await expect.poll(() => after.toSorted()).toEqual(['bad0', 'good3']);
      await expect.poll(parked).toEqual([]);
    });

    it('keeps the order of a key: later messages wait for a parked one', async () => {
      await using set = await setUp();
      const { publish, consume, parked } = set;
      const seen: string[] = [];
      let isBroken = true;
      await consume(async ({ value }) => {
        if (isBroken && value.key === 'a' && value.number === 0) throw new Error('broken');
        seen.push(nameOf(value));
      }, soon);
      await publish(...steps('a', 3), ...steps('b', 2));
      await expect.poll(async () => (await parked()).length).toBe(3);
      await expect.poll(() => seen).toEqual(['b0', 'b1']);
      isBroken = false;
      await publish({ key: 'a', number: 3 });
      await expect.poll(() => seen).toEqual(['b0', 'b1', 'a0', 'a1', 'a2', 'a3']);
    });

    it('reports a parked message as finished only when it is', async () => {
      await using set = await setUp();
      const { publish, consume, parked } = set;
      const [bad = '', good = ''] = keysTogether(2);
      const told: { key: string; at: number; through: number }[] = [];
      const positions: number[] = [];
      let isBroken = true;
      await consume(
        async ({ value: { key }, position }, { finishedThrough }) => {
          if (isBroken && key === bad) throw new Error('broken');
          told.push({ key, at: position, through: finishedThrough() });
        },
        { ...soon, onFinishedThrough: async (through) => void positions.push(...through.values()) },
      );
      await publish({ key: bad, number: 0 });
      await expect.poll(async () => (await parked()).length).toBe(1);
      const position = (await parked())[0]?.position ?? 0;
      await publish({ key: good, number: 0 });
      await expect.poll(() => told.length).toBe(1);
      expect(told[0]?.through).toBeLessThan(position);
      isBroken = false;
      await expect.poll(() => told.length).toBe(2);
      await expect.poll(() => positions.at(-1)).toBe(told[0]?.at);
    });

    it('sends a parked message to dead-letter once it fails by its own fault', async () => {
      await using set = await setUp();
      const { publish, consume, parked, deadLetters } = set;
      let fault: Error = new Error('broken');
      await consume(async () => {
        throw fault;
      }, soon);
      const dead = await deadLetters();
      await publish({ key: 'a', number: 0 });
      await expect.poll(async () => (await parked()).length).toBe(1);
      fault = new CodedError('BAD', 'It can not be.');
      await expect.poll(() => dead).toEqual(['a0']);
      await expect.poll(parked).toEqual([]);
    });

    it('sends a parked message to dead-letter after its retention', async () => {
      await using set = await setUp();
      const { publish, consume, parked, deadLetters } = set;
      const broken = async () => {
        throw new Error('broken');
      };
      const { consumer } = await consume(broken, soon);
      const dead = await deadLetters();
      await publish(...steps('a', 2));
      await expect.poll(async () => (await parked()).map(({ attempts }) => attempts)).toEqual([2, 0]);
      expect(dead).toEqual([]);
      await consumer[Symbol.asyncDispose]();
      await consume(broken, { limits: { parkAfterMs: 100, keepParkedMs: 1 } });
      await expect.poll(() => dead).toEqual(['a0', 'a1']);
      await expect.poll(parked).toEqual([]);
    });

    it('retries in place while parking fails, or its limit is reached', async () => {
      await using set = await setUp();
      const { database, publish, consume, parked } = set;
      const seen: string[] = [];
      const attempts = new Map<string, number>();
      await consume(
        async ({ value }) => {
          const attempt = (attempts.get(value.key) ?? 0) + 1;
          attempts.set(value.key, attempt);
          if (attempt < 5) throw new Error('broken');
          seen.push(nameOf(value));
        },
        { limits: { parkAfterMs: 1, maxParked: 0 } },
      );
      await publish({ key: 'full', number: 0 });
      await expect.poll(() => seen).toEqual(['full0']);
      await database.query.execute(sql`alter table platform.parked_message rename to gone`);
      await publish({ key: 'gone', number: 0 });
      await expect.poll(() => seen).toEqual(['full0', 'gone0']);
      await database.query.execute(sql`alter table platform.gone rename to parked_message`);
      expect(await parked()).toEqual([]);
    });

    it('parks a message unchanged, whatever its key and headers', async () => {
      await using set = await setUp();
      const { database, topics, topic, consume, parked } = set;
      const seen: unknown[] = [];
      let isBroken = true;
      await consume(async ({ key, headers }) => {
        if (isBroken) throw new Error('broken\0\ud800');
        seen.push([key, headers.odd]);
      }, soon);
      const odd = { ...topic, key: () => '漢\u0001"\\' };
      await database.transaction((tx) =>
        topics.publish(tx, odd, { key: 'x', number: 0 }, { headers: { odd: '\u0001' } }),
      );
      await expect.poll(async () => (await parked()).length).toBe(1);
      isBroken = false;
      await expect.poll(() => seen).toEqual([['漢\u0001"\\', '\u0001']]);
    });
  });

  describe('retries', () => {
    // Regression: each retry kept a permit while it waited, so that as many stuck messages as permits stopped the
    // group.
    it('hold no permit: other keys continue while many messages are retried', async () => {
      await using set = await setUp();
      const { publish, consume } = set;
      const failing = new Set<string>();
      const seen: string[] = [];
      await consume(
        async ({ value }) => {
          if (value.key.startsWith('bad')) {
            failing.add(value.key);
            throw new Error('broken');
          }
          seen.push(nameOf(value));
        },
        { concurrency: 2 },
      );
      await publish(...Array.from({ length: 8 }, (_, index) => ({ key: `bad${index}`, number: 0 })));
      await expect.poll(() => failing.size).toBe(8);
      await publish(...steps('a', 5), ...steps('b', 5));
      await expect.poll(() => seen.length).toBe(10);
    });

    // Regression: finished messages after an unfinished one were tracked without a limit.
    it('limit the number of messages after one that is stuck', async () => {
      await using set = await setUp();
      const { topics, topic, publish, consume } = set;
      const [stuck = '', ...keys] = keysTogether(61);
      const seen: string[] = [];
      let isStuck = true;
      await consume(
        async ({ value: { key } }) => {
          if (isStuck && key === stuck) throw new Error('broken');
          seen.push(key);
        },
        { concurrency: 2, limits: { maxHeld: 20 } },
      );
      await publish({ key: stuck, number: 0 });
      for (const key of keys.slice(0, 19)) await publish({ key, number: 0 });
      await expect.poll(() => seen.length).toBe(19);
      const others: string[] = [];
      await topics.consume({ topic, group: 'others', handler: async ({ value: { key } }) => void others.push(key) });
      for (const key of keys.slice(19)) await publish({ key, number: 0 });
      await expect.poll(() => others.length).toBe(61);
      // Messages that were already fetched may still be delivered.
      expect(seen.length).toBeLessThan(40);
      isStuck = false;
      await expect.poll(() => seen.length).toBe(61);
    });
  });

  describe('dead letters in a row', () => {
    // Regression: a fault attributed to the messages emptied a whole topic into dead-letter.
    it('stop the consumer when there are too many, and leave the rest unchanged', async () => {
      await using set = await setUp();
      const { publish, consume, deadLetters, topic } = set;
      const dead = await deadLetters();
      const { topics, consumer } = await consume(
        async () => {
          throw new CodedError('BAD', 'It can not be.');
        },
        { concurrency: 1, limits: { maxBuriedInARow: 3 } },
      );
      expect(topics.failures()).toEqual([]);
      await publish(...steps('a', 6));
      await expect
        .poll(() => topics.failures())
        .toMatchObject([{ code: 'CONSUMER_STOPPED', topic: topic.name, group }]);
      await expect.poll(() => dead).toEqual(['a0', 'a1', 'a2']);
      await consumer[Symbol.asyncDispose]();
      const rest: string[] = [];
      await consume(async ({ value }) => void rest.push(nameOf(value)));
      await expect.poll(() => rest).toEqual(['a3', 'a4', 'a5']);
      expect(dead).toHaveLength(3);
    });

    // Regression: after each restart a consumer buried as many messages again.
    it('are counted across a restart, until a message is handled', async () => {
      await using set = await setUp();
      const { publish, consume, deadLetters } = set;
      const dead = await deadLetters();
      const failUntilStopped = async () => {
        const { topics, consumer } = await consume(
          async () => {
            throw new CodedError('BAD', 'It can not be.');
          },
          { concurrency: 1, limits: { maxBuriedInARow: 3 } },
        );
        await expect.poll(() => topics.failures()).toMatchObject([{ code: 'CONSUMER_STOPPED' }]);
        await consumer[Symbol.asyncDispose]();
      };
      await publish(...steps('a', 6));
      for (const count of [3, 4, 5]) {
        await failUntilStopped();
        await expect.poll(() => dead.length).toBe(count);
      }
      const seen: string[] = [];
      const { consumer } = await consume(async ({ value }) => void seen.push(nameOf(value)));
      await expect.poll(() => seen).toEqual(['a5']);
      await consumer[Symbol.asyncDispose]();
      await publish(...steps('b', 5));
      await failUntilStopped();
      await expect.poll(() => dead.length).toBe(8);
    });

    it('are counted from zero after a message that is handled', async () => {
      await using set = await setUp();
      const { publish, consume, deadLetters } = set;
      const dead = await deadLetters();
      const { topics } = await consume(
        async ({ value: { number } }) => {
          if (number % 3 < 2) throw new CodedError('BAD', 'It can not be.');
        },
        { limits: { maxBuriedInARow: 2 } },
      );
      await publish(...steps('a', 12));
      await expect.poll(() => dead.length).toBe(8);
      expect(topics.failures()).toEqual([]);
    });
  });
}
