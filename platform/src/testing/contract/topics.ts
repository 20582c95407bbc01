import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Database } from '../../database.ts';
import { CodedError } from '../../errors.ts';
import type { ConsumerLimits } from '../../topics/consumer-limits.ts';
import {
  type ConsumeOptions,
  deadLetterName,
  type Handler,
  type Message,
  type Topic,
  type Topics,
} from '../../topics.ts';

/** The engines under a topics port. */
export interface TopicsUnderTest extends AsyncDisposable {
  database: Database;
  topics: Topics;
  /** The port as another process would have it, on the same engines; disposed with them. */
  another(limits?: Partial<ConsumerLimits>): Promise<Topics>;
  /** Stores a text in a topic that publishers would reject. */
  publishRaw(topic: string, key: string, text: string): Promise<void>;
}

interface Step {
  key: string;
  number: number;
}
const stepSchema = z.object({ key: z.string(), number: z.number().int() });
const newTopic = (): Topic<Step> => ({
  name: `steps-${randomUUID()}`,
  schema: stepSchema,
  key: ({ key }) => key,
});

/** Collects values, and resolves once there are enough. */
function collector<T>() {
  const items: T[] = [];
  const waiters = new Set<{ count: number; resolve: (items: T[]) => void }>();
  return {
    items,
    add(item: T) {
      items.push(item);
      for (const waiter of waiters) if (items.length >= waiter.count) waiter.resolve([...items]);
    },
    /** All values, once there are `count`. */
    first: (count: number) =>
      new Promise<T[]>((resolve) => {
        if (items.length >= count) return resolve([...items]);
        waiters.add({ count, resolve });
      }),
  };
}

/** The contract of the topics port. */
export function topicsContract(open: () => Promise<TopicsUnderTest>): void {
  const setUp = async () => {
    const under = await open();
    const topic = newTopic();
    const publish = (...steps: Step[]) =>
      under.database.transaction(async (tx) => {
        for (const step of steps) await under.topics.publish(tx, topic, step);
      });
    return {
      ...under,
      topic,
      publish,
      /** Publishes, and resolves when readers can see it; with an outbox that is a little later. */
      async publishAndWait(...steps: Step[]) {
        const seen = collector<Step>();
        await using _tail = await under.topics.tail({
          topic,
          from: { last: 0 },
          onMessage: ({ value }) => seen.add(value),
        });
        await publish(...steps);
        await seen.first(steps.length);
      },
      consume: (handler: Handler<Step>, options: Partial<ConsumeOptions<Step>> & { on?: Topics } = {}) =>
        (options.on ?? under.topics).consume({ topic, group: options.group ?? 'readers', handler, ...options }),
      [Symbol.asyncDispose]: () => under[Symbol.asyncDispose](),
    };
  };
  const steps = (key: string, count: number) => Array.from({ length: count }, (_, number) => ({ key, number }));

  describe('publish', () => {
    it('delivers value, key and headers once the transaction has committed', async () => {
      await using set = await setUp();
      const { database, topics, topic, consume } = set;
      const seen = collector<Message<Step>>();
      await consume(async (message) => seen.add(message));
      await database.transaction((tx) =>
        topics.publish(tx, topic, { key: 'a', number: 1 }, { headers: { traceparent: '00-1-2-01' } }),
      );
      const [message] = await seen.first(1);
      expect(message).toMatchObject({ topic: topic.name, key: 'a', value: { key: 'a', number: 1 } });
      expect(message?.headers).toMatchObject({ traceparent: '00-1-2-01' });
      expect(Math.abs((message?.publishedAt ?? 0) - Date.now())).toBeLessThan(60_000);
    });

    it('delivers nothing of a transaction that was rolled back', async () => {
      await using set = await setUp();
      const { database, topics, topic, publish, consume } = set;
      const seen = collector<number>();
      await consume(async ({ value }) => seen.add(value.number));
      const failing = database.transaction(async (tx) => {
        await topics.publish(tx, topic, { key: 'a', number: 1 });
        throw new Error('changed my mind');
      });
      await expect(failing).rejects.toThrow('changed my mind');
      await publish({ key: 'a', number: 2 });
      expect(await seen.first(1)).toEqual([2]);
    });

    it('rejects a value that is invalid or too large, without quoting it', async () => {
      await using set = await setUp();
      const { database, topics, topic } = set;
      const publish = (value: unknown) => database.transaction((tx) => topics.publish(tx, topic, value as Step));
      const wrong = publish({ key: 'secret', number: 'many' });
      await expect(wrong).rejects.toMatchObject({ code: 'TOPIC_VALUE_INVALID' });
      await expect(wrong).rejects.not.toThrow('many');
      await expect(publish({ key: 'x'.repeat(1_000_000), number: 1 })).rejects.toMatchObject({
        code: 'TOPIC_VALUE_TOO_LARGE',
      });
    });
  });

  describe('consume', () => {
    it('starts a new group at the topic’s beginning', async () => {
      await using set = await setUp();
      const { publish, consume } = set;
      await publish(...steps('a', 3));
      const seen = collector<number>();
      await consume(async ({ value }) => seen.add(value.number));
      expect(await seen.first(3)).toEqual([0, 1, 2]);
    });

    it('handles the same key in order, and different keys concurrently', async () => {
      await using set = await setUp();
      const { publish, consume } = set;
      const seen = collector<string>();
      const release = Promise.withResolvers<void>();
      await consume(async ({ value: { key, number } }) => {
        if (key === 'slow' && number === 0) await release.promise;
        seen.add(`${key}${number}`);
      });
      await publish(...steps('slow', 2), ...steps('quick', 3));
      expect(await seen.first(3)).toEqual(['quick0', 'quick1', 'quick2']);
      release.resolve();
      expect((await seen.first(5)).slice(3)).toEqual(['slow0', 'slow1']);
    });

    it('runs at most `concurrency` messages', async () => {
      await using set = await setUp();
      const { publish, consume } = set;
      let inFlight = 0;
      let most = 0;
      const done = collector<number>();
      await consume(
        async ({ value }) => {
          inFlight += 1;
          most = Math.max(most, inFlight);
          await new Promise((resolve) => setImmediate(resolve));
          inFlight -= 1;
          done.add(value.number);
        },
        { concurrency: 3 },
      );
      await publish(...Array.from({ length: 20 }, (_, number) => ({ key: `k${number}`, number })));
      await done.first(20);
      expect(most).toBe(3);
    });

    it('retries a retryable error in place, while other keys continue', async () => {
      await using set = await setUp();
      const { publish, consume } = set;
      const seen = collector<string>();
      let failures = 2;
      await consume(async ({ value: { key, number } }) => {
        if (key === 'a' && number === 0 && failures-- > 0)
          throw new CodedError('DATABASE_UNAVAILABLE', 'away', { retryable: true });
        seen.add(`${key}${number}`);
      });
      await publish(...steps('a', 2), ...steps('b', 1));
      expect(await seen.first(3)).toEqual(['b0', 'a0', 'a1']);
    });

    // Regression: each of these was buried, and an outage with an unexpected error emptied a topic into dead-letter.
    it('retries every fault of the environment, and buries none', async () => {
      await using set = await setUp();
      const { topics, topic, publish, consume } = set;
      const sqlState = (code: string) =>
        new Error('Failed query', { cause: Object.assign(new Error(code), { code, severity: 'ERROR' }) });
      const faults = [
        new TypeError('x is not a function'),
        Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }),
        ...['25006', '28P01', '3D000', '42501', '42P01', '55P03', '57P01'].map(sqlState),
        'no error at all',
      ];
      const failing = new Map(faults.map((fault, index) => [`k${index}`, fault]));
      const seen = collector<string>();
      await consume(async ({ value: { key } }) => {
        const fault = failing.get(key);
        if (failing.delete(key)) throw fault;
        seen.add(key);
      });
      const dead = collector<unknown>();
      await topics.consume({
        topic: { ...topic, name: deadLetterName(topic.name) },
        group: 'undertaker',
        handler: async ({ key }) => dead.add(key),
      });
      await publish(...[...failing.keys()].map((key) => ({ key, number: 0 })));
      expect((await seen.first(faults.length)).toSorted()).toEqual(faults.map((_, index) => `k${index}`).toSorted());
      expect(dead.items).toEqual([]);
    });

    it('sends a message to dead-letter if the database always rejects it', async () => {
      await using set = await setUp();
      const { database, topics, topic, publish, consume } = set;
      await consume(async ({ value: { number } }) => {
        await database.query.execute(sql`select 1 / ${number}::int`);
      });
      const dead = collector<string>();
      await topics.consume({
        topic: { ...topic, name: deadLetterName(topic.name) },
        group: 'undertaker',
        handler: async ({ headers }) => dead.add(String(headers['dead-letter-group'])),
      });
      await publish({ key: 'a', number: 0 });
      expect(await dead.first(1)).toEqual(['readers']);
    });

    it('sends a permanent failure to dead-letter, with its error and origin', async () => {
      await using set = await setUp();
      const { topics, topic, publish, consume } = set;
      const seen = collector<number>();
      await consume(async ({ value }) => {
        if (value.number === 0) throw new CodedError('BAD', 'It can not be.');
        seen.add(value.number);
      });
      await publish(...steps('a', 2));
      expect(await seen.first(1)).toEqual([1]);
      const dead = collector<Message<Step>>();
      await topics.consume({
        topic: { ...topic, name: deadLetterName(topic.name) },
        group: 'undertaker',
        handler: async (message) => dead.add(message),
      });
      const [letter] = await dead.first(1);
      expect(letter).toMatchObject({
        key: 'a',
        value: { key: 'a', number: 0 },
        headers: {
          'dead-letter-error': 'BAD',
          'dead-letter-message': 'It can not be.',
          'dead-letter-topic': topic.name,
          'dead-letter-group': 'readers',
          'dead-letter-partition': expect.any(String),
          'dead-letter-position': expect.any(String),
        },
      });
    });

    it('sends a message that does not parse to dead-letter unchanged', async () => {
      await using set = await setUp();
      const { topics, topic, publish, publishRaw, consume } = set;
      const seen = collector<number>();
      await consume(async ({ value }) => seen.add(value.number));
      await publishRaw(topic.name, 'a', '{"number":');
      await publishRaw(topic.name, 'a', '{"number":"many"}');
      await publish({ key: 'a', number: 7 });
      expect(await seen.first(1)).toEqual([7]);
      const dead = collector<Message<unknown>>();
      await topics.consume({
        topic: { name: deadLetterName(topic.name), schema: z.unknown(), key: () => '' },
        group: 'undertaker',
        handler: async (message) => dead.add(message),
      });
      // The one that is not JSON is not a valid value there either: this reader sends it to a dead-letter topic of its
      // own.
      expect((await dead.first(1))[0]).toMatchObject({
        value: { number: 'many' },
        headers: { 'dead-letter-error': 'TOPIC_VALUE_INVALID' },
      });
    });

    it('delivers every message to every group', async () => {
      await using set = await setUp();
      const { publish, consume } = set;
      const [one, two] = [collector<number>(), collector<number>()];
      await consume(async ({ value }) => one.add(value.number), { group: 'one' });
      await consume(async ({ value }) => two.add(value.number), { group: 'two' });
      await publish(...steps('a', 3));
      expect(await one.first(3)).toEqual(await two.first(3));
    });

    it('allows one process to read two topics with the same group', async () => {
      await using set = await setUp();
      const { database, topics, publish, consume } = set;
      const [here, there] = [collector<number>(), collector<number>()];
      const other = newTopic();
      await consume(async ({ value }) => here.add(value.number));
      await topics.consume({ topic: other, group: 'readers', handler: async ({ value }) => there.add(value.number) });
      await publish({ key: 'a', number: 1 });
      await database.transaction((tx) => topics.publish(tx, other, { key: 'a', number: 2 }));
      expect(await here.first(1)).toEqual([1]);
      expect(await there.first(1)).toEqual([2]);
    });

    it('resumes after a stop, and redelivers nothing that was finished', async () => {
      await using set = await setUp();
      const { publish, consume, another } = set;
      const before = collector<number>();
      const group = await consume(async ({ value }) => before.add(value.number));
      await publish(...steps('a', 3));
      await before.first(3);
      await group[Symbol.asyncDispose]();
      await publish({ key: 'a', number: 3 });
      const after = collector<number>();
      await consume(async ({ value }) => after.add(value.number), { on: await another() });
      expect(await after.first(1)).toEqual([3]);
    });

    it('redelivers unfinished messages: the position never passes them', async () => {
      await using set = await setUp();
      const { publish, consume, another } = set;
      const started = collector<string>();
      const group = await consume(async ({ value: { key, number } }, { signal }) => {
        started.add(`${key}${number}`);
        // The first message is stuck until the stop; later ones are finished.
        if (key === 'slow')
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      });
      await publish({ key: 'slow', number: 0 }, ...steps('quick', 2));
      await started.first(3);
      await group[Symbol.asyncDispose]();
      const after = collector<string>();
      await consume(async ({ value: { key, number } }) => after.add(`${key}${number}`), { on: await another() });
      expect(await after.first(1)).toContain('slow0');
    });

    it('awaits running handlers at stop, and starts no others', async () => {
      await using set = await setUp();
      const { publish, consume } = set;
      const started = Promise.withResolvers<void>();
      const release = Promise.withResolvers<void>();
      const log: string[] = [];
      const group = await consume(async ({ value }) => {
        started.resolve();
        await release.promise;
        log.push(`handled ${value.number}`);
      });
      await publish(...steps('a', 3));
      await started.promise;
      const stopping = group[Symbol.asyncDispose]().then(() => log.push('stopped'));
      release.resolve();
      await stopping;
      expect(log).toEqual(['handled 0', 'stopped']);
    });

    it('reports to a handler the position that its group has finished', async () => {
      await using set = await setUp();
      const { publish, consume } = set;
      const told = collector<[number, number]>();
      const finished: number[] = [];
      await consume(async ({ position }, { finishedThrough }) => told.add([position, finishedThrough()]), {
        concurrency: 1,
        onFinishedThrough: async (through) => void finished.push(...through.values()),
      });
      await publish(...steps('a', 3));
      const all = await told.first(3);
      for (const [at, through] of all) expect(through).toEqual(at);
      await expect.poll(() => finished.at(-1)).toEqual(all.at(-1)?.[0]);
    });
  });

  describe('tail', () => {
    const tailOf = async (topics: Topics, topic: Topic<Step>, from: Parameters<Topics['tail']>[0]['from']) => {
      const seen = collector<Message<Step>>();
      const tail = await topics.tail({ topic, from, onMessage: seen.add });
      return {
        tail,
        seen,
        numbers: async (count: number) => (await seen.first(count)).map(({ value }) => value.number),
      };
    };

    it('reads every message from now on, in every process', async () => {
      await using set = await setUp();
      const { topics, topic, publish, publishAndWait, another } = set;
      await publishAndWait({ key: 'a', number: 0 });
      const here = await tailOf(topics, topic, 'now');
      const there = await tailOf(await another(), topic, 'now');
      await publish({ key: 'a', number: 1 }, { key: 'a', number: 2 });
      expect(await here.numbers(2)).toEqual([1, 2]);
      expect(await there.numbers(2)).toEqual([1, 2]);
    });

    it('starts after given positions, and has read up to its start when it resolves', async () => {
      await using set = await setUp();
      const { topics, topic, publish } = set;
      const first = await tailOf(topics, topic, { last: 100 });
      await publish(...steps('a', 5));
      const messages = await first.seen.first(5);
      const third = messages[2];
      const rest = await tailOf(topics, topic, { after: { [third?.partition ?? 0]: third?.position ?? 0 } });
      expect(rest.seen.items.map(({ value }) => value.number)).toEqual([3, 4]);
      expect(rest.tail.startedAt[third?.partition ?? 0]).toBe(messages[4]?.position);
      expect(rest.tail.coversAfter[third?.partition ?? 0]).toBe(third?.position);
    });

    it('caughtUp resolves once everything in the topic has been read', async () => {
      await using set = await setUp();
      const { topics, topic, publishAndWait } = set;
      const { tail, seen } = await tailOf(topics, topic, 'now');
      await tail.caughtUp();
      await publishAndWait(...steps('a', 5));
      await Promise.all([tail.caughtUp(), tail.caughtUp()]);
      expect(seen.items.map(({ value }) => value.number)).toEqual([0, 1, 2, 3, 4]);
    });

    it('starts with the last messages', async () => {
      await using set = await setUp();
      const { topics, topic, publishAndWait } = set;
      await publishAndWait(...steps('a', 5));
      // Divided among the partitions, of which one has all messages.
      const { seen } = await tailOf(topics, topic, { last: 6 });
      expect(seen.items.slice(-2).map(({ value }) => value.number)).toEqual([3, 4]);
    });

    it('skips messages that do not parse, and stops when it is disposed', async () => {
      await using set = await setUp();
      const { topics, topic, publish, publishRaw } = set;
      const { tail, seen, numbers } = await tailOf(topics, topic, 'now');
      const other = await tailOf(topics, topic, 'now');
      await publishRaw(topic.name, 'a', 'nonsense');
      await publish({ key: 'a', number: 1 });
      expect(await numbers(1)).toEqual([1]);
      await tail[Symbol.asyncDispose]();
      await publish({ key: 'a', number: 2 });
      await other.numbers(2);
      expect(seen.items).toHaveLength(1);
    });
  });

  it('answers a ping', async () => {
    await using set = await setUp();
    const { topics } = set;
    await topics.ping();
  });
}
