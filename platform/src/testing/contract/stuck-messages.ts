import { describe, expect, it } from 'vitest';
import { CodedError } from '../../errors.ts';
import { group, keysTogether, nameOf, setUpParking, steps } from './parking-harness.ts';
import type { OpenTopics } from './topics-harness.ts';

/**
 * Tests for every adapter of the topics port. They concern the resources that failing messages occupy, and many dead
 * letters in a row.
 */
export function stuckMessagesContract(open: OpenTopics): void {
  describe('retries', () => {
    // Regression: a message kept its concurrency permit while it waited for its next attempt, so a few stuck messages
    // stopped the group.
    it('hold no permit: other keys continue while many messages are retried', async () => {
      await using ctx = await setUpParking(open);
      const { publish, consume } = ctx;
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

    // Regression: finished messages that follow an unfinished message were tracked without a limit.
    it('limit the number of messages after one that is stuck', async () => {
      await using ctx = await setUpParking(open);
      const { topics, topic, publish, consume } = ctx;
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
    // Regression: a fault of the environment was taken for a fault of the messages. The consumer moved a whole topic to
    // the dead-letter topic.
    it('stop the consumer when there are too many, and leave the rest unchanged', async () => {
      await using ctx = await setUpParking(open);
      const { publish, consume, deadLetters, topic } = ctx;
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

    // Regression: each restart set the count of dead letters in a row to 0. So after each restart, the consumer sent
    // `maxBuriedInARow` more messages to the dead-letter topic.
    it('are counted across a restart, until a message is handled', async () => {
      await using ctx = await setUpParking(open);
      const { publish, consume, deadLetters } = ctx;
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

    // Regression: after an operator had raised the limit as the runbook says, the consumer stopped after one more
    // message.
    it('continue after a restart by as many as the limit was raised', async () => {
      await using ctx = await setUpParking(open);
      const { publish, consume, deadLetters } = ctx;
      const dead = await deadLetters();
      const fail = (maxBuriedInARow: number) =>
        consume(
          async () => {
            throw new CodedError('BAD', 'It can not be.');
          },
          { concurrency: 1, limits: { maxBuriedInARow } },
        );
      await publish(...steps('a', 6));
      const { topics, consumer } = await fail(3);
      await expect.poll(() => topics.failures()).toMatchObject([{ code: 'CONSUMER_STOPPED' }]);
      await consumer[Symbol.asyncDispose]();
      const raised = await fail(10);
      await expect.poll(() => dead.length).toBe(6);
      expect(raised.topics.failures()).toEqual([]);
    });

    it('are counted from zero after a message that is handled', async () => {
      await using ctx = await setUpParking(open);
      const { publish, consume, deadLetters } = ctx;
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
