import { describe, expect, it } from 'vitest';
import type { Message, Topic, Topics } from '../../topics.ts';
import { collector, type OpenTopics, type Step, setUpTopics, steps } from './topics-harness.ts';

/** Tests for every adapter of the topics port: tails. */
export function tailsContract(open: OpenTopics): void {
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
      await using ctx = await setUpTopics(open);
      const { topics, topic, publish, publishAndWait, another } = ctx;
      await publishAndWait({ key: 'a', number: 0 });
      const here = await tailOf(topics, topic, 'now');
      const there = await tailOf(await another(), topic, 'now');
      await publish({ key: 'a', number: 1 }, { key: 'a', number: 2 });
      expect(await here.numbers(2)).toEqual([1, 2]);
      expect(await there.numbers(2)).toEqual([1, 2]);
    });

    it('starts after given positions, and has read up to its start when it resolves', async () => {
      await using ctx = await setUpTopics(open);
      const { topics, topic, publish } = ctx;
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
      await using ctx = await setUpTopics(open);
      const { topics, topic, publishAndWait } = ctx;
      const { tail, seen } = await tailOf(topics, topic, 'now');
      await tail.caughtUp();
      await publishAndWait(...steps('a', 5));
      await Promise.all([tail.caughtUp(), tail.caughtUp()]);
      expect(seen.items.map(({ value }) => value.number)).toEqual([0, 1, 2, 3, 4]);
    });

    it('starts with the last messages', async () => {
      await using ctx = await setUpTopics(open);
      const { topics, topic, publishAndWait } = ctx;
      await publishAndWait(...steps('a', 5));
      // `last` is divided among the partitions, but one partition has all messages. With Kafka's three partitions, the
      // tail therefore starts with only the last two messages.
      const { seen } = await tailOf(topics, topic, { last: 6 });
      expect(seen.items.slice(-2).map(({ value }) => value.number)).toEqual([3, 4]);
    });

    it('skips messages that do not parse, and stops when it is disposed', async () => {
      await using ctx = await setUpTopics(open);
      const { topics, topic, publish, publishRaw } = ctx;
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
}
