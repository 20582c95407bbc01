import { expect, it } from 'vitest';
import { createBatcher } from './batcher.ts';
import { CodedError } from './errors.ts';

/** A batcher whose batches end when the test says. */
function controlled({ concurrency = 1, maxItems = 100 } = {}) {
  const batches: { items: readonly number[]; end: PromiseWithResolvers<void> }[] = [];
  const batch = createBatcher<number, number>({
    concurrency,
    maxItems,
    async run(items) {
      const end = Promise.withResolvers<void>();
      batches.push({ items, end });
      await end.promise;
      return items.map((item) => item * 10);
    },
  });
  return { batch, batches, sizes: () => batches.map(({ items }) => items.length) };
}

it('starts at once while there is room, and takes together what came while it was busy', async () => {
  const { batch, batches, sizes } = controlled();
  const results = [1, 2, 3].map((item) => batch(item));
  expect(sizes()).toEqual([1]);
  batches[0]?.end.resolve();
  expect(await results[0]).toBe(10);
  await Promise.resolve();
  expect(batches[1]?.items).toEqual([2, 3]);
  batches[1]?.end.resolve();
  expect(await Promise.all(results)).toEqual([10, 20, 30]);
});

it('runs no more batches at once, and none larger, than it may', async () => {
  const { batch, batches, sizes } = controlled({ concurrency: 2, maxItems: 2 });
  const results = [1, 2, 3, 4, 5].map((item) => batch(item));
  expect(sizes()).toEqual([1, 1]);
  for (let ended = 0; ended < 4; ended += 1) {
    batches[ended]?.end.resolve();
    await new Promise(setImmediate);
  }
  expect(sizes()).toEqual([1, 1, 2, 1]);
  expect(await Promise.all(results)).toEqual([10, 20, 30, 40, 50]);
});

it('fails nobody for the sake of another: a failed batch is run item by item', async () => {
  const gate = Promise.withResolvers<void>();
  const batch = createBatcher<number, number>({
    concurrency: 1,
    async run(items) {
      await gate.promise;
      if (items.includes(2)) throw new Error('2 is bad');
      return [...items];
    },
  });
  const results = Promise.allSettled([0, 1, 2, 3].map((item) => batch(item)));
  gate.resolve();
  expect((await results).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
});

it('gives a retryable error to all without trying each: what is away is away for all', async () => {
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  const batch = createBatcher<number, number>({
    concurrency: 1,
    async run() {
      runs += 1;
      await gate.promise;
      throw new CodedError('DATABASE_UNAVAILABLE', 'The database does not answer.', { retryable: true });
    },
  });
  const results = Promise.allSettled([1, 2, 3].map((item) => batch(item)));
  gate.resolve();
  expect((await results).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(runs).toBe(2);
});
