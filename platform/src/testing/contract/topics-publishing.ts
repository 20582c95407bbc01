import { describe, expect, it } from 'vitest';
import type { Message } from '../../topics.ts';
import { collector, type OpenTopics, type Step, setUpTopics } from './topics-harness.ts';

/** Tests for every adapter of the topics port: publishing. */
export function publishingContract(open: OpenTopics): void {
  describe('publish', () => {
    it('delivers value, key and headers once the transaction has committed', async () => {
      await using ctx = await setUpTopics(open);
      const { database, topics, topic, consume } = ctx;
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
      await using ctx = await setUpTopics(open);
      const { database, topics, topic, publish, consume } = ctx;
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
      await using ctx = await setUpTopics(open);
      const { database, topics, topic } = ctx;
      const publish = (value: unknown) => database.transaction((tx) => topics.publish(tx, topic, value as Step));
      const wrong = publish({ key: 'secret', number: 'many' });
      await expect(wrong).rejects.toMatchObject({ code: 'TOPIC_VALUE_INVALID' });
      await expect(wrong).rejects.not.toThrow('many');
      await expect(publish({ key: 'x'.repeat(1_000_000), number: 1 })).rejects.toMatchObject({
        code: 'TOPIC_VALUE_TOO_LARGE',
      });
    });
  });
}
