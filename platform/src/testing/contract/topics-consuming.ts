import { describe, expect, it } from 'vitest';
import { collector, newTopic, type OpenTopics, setUpTopics, steps } from './topics-harness.ts';

/** Tests for every adapter of the topics port: consumer groups. */
export function consumingContract(open: OpenTopics): void {
  describe('consume', () => {
    it('starts a new group at the topic’s beginning', async () => {
      await using ctx = await setUpTopics(open);
      const { publish, consume } = ctx;
      await publish(...steps('a', 3));
      const seen = collector<number>();
      await consume(async ({ value }) => seen.add(value.number));
      expect(await seen.first(3)).toEqual([0, 1, 2]);
    });

    it('handles the same key in order, and different keys concurrently', async () => {
      await using ctx = await setUpTopics(open);
      const { publish, consume } = ctx;
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
      await using ctx = await setUpTopics(open);
      const { publish, consume } = ctx;
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

    it('delivers every message to every group', async () => {
      await using ctx = await setUpTopics(open);
      const { publish, consume } = ctx;
      const [one, two] = [collector<number>(), collector<number>()];
      await consume(async ({ value }) => one.add(value.number), { group: 'one' });
      await consume(async ({ value }) => two.add(value.number), { group: 'two' });
      await publish(...steps('a', 3));
      expect(await one.first(3)).toEqual(await two.first(3));
    });

    it('allows one process to read two topics with the same group', async () => {
      await using ctx = await setUpTopics(open);
      const { database, topics, publish, consume } = ctx;
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
      await using ctx = await setUpTopics(open);
      const { publish, consume, another } = ctx;
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
      await using ctx = await setUpTopics(open);
      const { publish, consume, another } = ctx;
      const started = collector<string>();
      const group = await consume(async ({ value: { key, number } }, { signal }) => {
        started.add(`${key}${number}`);
        // The first message does not finish until the stop, but later messages do.
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
      await using ctx = await setUpTopics(open);
      const { publish, consume } = ctx;
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
      await using ctx = await setUpTopics(open);
      const { publish, consume } = ctx;
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
}
