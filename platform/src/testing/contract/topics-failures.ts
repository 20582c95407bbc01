import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { CodedError } from '../../errors.ts';
import { deadLetterName, type Message } from '../../topics.ts';
import { collector, type OpenTopics, type Step, setUpTopics, steps } from './topics-harness.ts';

/** Tests for every adapter of the topics port: messages whose handler fails. */
export function failuresContract(open: OpenTopics): void {
  describe('consume', () => {
    it('retries a retryable error in place, while other keys continue', async () => {
      await using ctx = await setUpTopics(open);
      const { publish, consume } = ctx;
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

    // Regression: after each of the errors below, the message went to the dead-letter topic. An outage with an
    // unexpected error moved a whole topic there.
    it('retries every fault of the environment, and buries none', async () => {
      await using ctx = await setUpTopics(open);
      const { topics, topic, publish, consume } = ctx;
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
      await using ctx = await setUpTopics(open);
      const { database, topics, topic, publish, consume } = ctx;
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
      await using ctx = await setUpTopics(open);
      const { topics, topic, publish, consume } = ctx;
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
      await using ctx = await setUpTopics(open);
      const { topics, topic, publish, publishRaw, consume } = ctx;
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
      // Two messages are in the dead-letter topic. One is not JSON, so the consumer of this topic sends that message to
      // a further dead-letter topic. Only the other message is handled.
      expect((await dead.first(1))[0]).toMatchObject({
        value: { number: 'many' },
        headers: { 'dead-letter-error': 'TOPIC_VALUE_INVALID' },
      });
    });
  });
}
