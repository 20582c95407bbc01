import { expect, it } from 'vitest';
import { CodedError } from '../errors.ts';
import { createBatcher } from './batcher.ts';

/** Creates a batcher whose batches the test settles. */
function controlled({ concurrency = 1, maxItems = 100, slowAfterMs = 60_000 } = {}) {
  const batches: { items: readonly number[]; end: PromiseWithResolvers<void> }[] = [];
  const batch = createBatcher<number, number>({
    concurrency,
    maxItems,
    slowAfterMs,
    async run(items) {
      const end = Promise.withResolvers<void>();
      batches.push({ items, end });
      await end.promise;
      return items.map((item) => item * 10);
    },
  });
  return { batch, batches, sizes: () => batches.map(({ items }) => items.length) };
}

/** Resolves after this turn of the event loop, in which the batcher collects items. */
const turn = () => new Promise(setImmediate);

it('batcher: batches what arrives together, and what arrives while busy', async () => {
  const { batch, batches, sizes } = controlled();
  const results = [1, 2].map((item) => batch(item));
  await turn();
  expect(sizes()).toEqual([2]);
  for (const item of [3, 4]) {
    results.push(batch(item));
    await turn();
  }
  expect(sizes()).toEqual([2]);
  batches[0]?.end.resolve();
  expect(await results[0]).toBe(10);
  await expect.poll(() => batches[1]?.items).toEqual([3, 4]);
  batches[1]?.end.resolve();
  expect(await Promise.all(results)).toEqual([10, 20, 30, 40]);
});

it('batcher: respects its limits of concurrent batches and of items per batch', async () => {
  const { batch, batches, sizes } = controlled({ concurrency: 2, maxItems: 2, slowAfterMs: 1 });
  const results = [1, 2, 3, 4, 5].map((item) => batch(item));
  await turn();
  expect(sizes()).toEqual([2]);
  // The first batch is slow, so that a second batch starts. The second is also slow, but `concurrency` allows no third
  // batch.
  await expect.poll(sizes).toEqual([2, 2]);
  batches[0]?.end.resolve();
  await expect.poll(sizes).toEqual([2, 2, 1]);
  for (const { end } of batches) end.resolve();
  expect(await Promise.all(results)).toEqual([10, 20, 30, 40, 50]);
});

// Regression: under overload, thousands of items stayed in the queue after their callers had aborted. They delayed
// later items so long that the callers of the later items aborted, too.
it('batcher: removes an item whose caller leaves before its batch starts', async () => {
  const { batch, batches } = controlled({ maxItems: 2 });
  const leaving = new AbortController();
  const left = new AbortController();
  left.abort(new Error('left before'));
  const first = batch(1);
  await turn();
  const removed = [2, 3, 4].map((item) => batch(item, { signal: leaving.signal }));
  const last = batch(5);
  await expect(batch(6, { signal: left.signal })).rejects.toThrow('left before');
  leaving.abort(new Error('left'));
  for (const one of removed) await expect(one).rejects.toThrow('left');
  batches[0]?.end.resolve();
  expect(await first).toBe(10);
  await expect.poll(() => batches.length).toBe(2);
  batches[1]?.end.resolve();
  expect(await last).toBe(50);
  expect(batches.map(({ items }) => items)).toEqual([[1], [5]]);
});

it('batcher: returns the result of a started batch, even if its caller leaves', async () => {
  const { batch, batches } = controlled();
  const leaving = new AbortController();
  const result = batch(1, { signal: leaving.signal });
  await turn();
  leaving.abort();
  batches[0]?.end.resolve();
  expect(await result).toBe(10);
});

it('batcher: fails only the item at fault, by running a failed batch again in parts', async () => {
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

const databaseIsAway = () =>
  new CodedError('DATABASE_UNAVAILABLE', 'The database does not answer.', { retryable: true });

/**
 * Runs one item first, so that `count` further items wait and form one batch. Resolves with the outcomes of these
 * further items.
 */
async function runTogether(count: number, run: (items: readonly number[]) => Promise<number[]>) {
  const gate = Promise.withResolvers<void>();
  const batch = createBatcher<number, number>({
    concurrency: 1,
    run: async (items) => (items[0] === 0 ? gate.promise.then(() => [...items]) : run(items)),
  });
  const first = batch(0);
  await turn();
  const results = Promise.allSettled(Array.from({ length: count }, (_, index) => batch(index + 1)));
  gate.resolve();
  await first;
  return (await results).map(({ status }) => status);
}

// Regression: one message whose row was locked made up to 99 other messages of its batch fail, at each retry.
it('batcher: fails no other item for a retryable failure, such as a lock time-out', async () => {
  const statuses = await runTogether(20, async (items) => {
    if (items.includes(2)) throw databaseIsAway();
    return [...items];
  });
  expect(statuses.filter((status) => status === 'rejected')).toHaveLength(1);
  expect(statuses[1]).toBe('rejected');
});

it('batcher: delays no other item when one takes long to fail', async () => {
  const others = Promise.withResolvers<void>();
  let succeeded = 0;
  const statuses = await runTogether(20, async (items) => {
    if (items.includes(1)) {
      if (items.length === 1) await others.promise;
      throw databaseIsAway();
    }
    succeeded += items.length;
    if (succeeded === 19) others.resolve();
    return [...items];
  });
  expect(statuses.filter((status) => status === 'rejected')).toHaveLength(1);
});

it('batcher: tries only a few items of a batch while the engine is down', async () => {
  let runs = 0;
  const statuses = await runTogether(100, async () => {
    runs += 1;
    throw databaseIsAway();
  });
  expect(new Set(statuses)).toEqual(new Set(['rejected']));
  expect(runs).toBeLessThanOrEqual(1 + 5);
});

// Regression: while connections were being cut, each failed batch was run again item by item, which was too slow for
// the load.
it('batcher: runs a batch again in three parts after its connection was cut', async () => {
  const sizes: number[] = [];
  const statuses = await runTogether(100, async (items) => {
    sizes.push(items.length);
    if (items.length === 100) throw databaseIsAway();
    return [...items];
  });
  expect(new Set(statuses)).toEqual(new Set(['fulfilled']));
  expect(sizes).toEqual([100, 34, 34, 32]);
});

// Regression: under overload, a failed batch was run again for items whose callers had aborted.
it('batcher: runs nothing again for callers that have left', async () => {
  const leaving = [new AbortController(), new AbortController()] as const;
  const runs: (readonly number[])[] = [];
  const batch = createBatcher<number, number>({
    concurrency: 1,
    async run(items) {
      runs.push(items);
      if (items.length === 9) leaving[0].abort(new Error('left before the parts'));
      if (items.includes(2) && items.length === 3) leaving[1].abort(new Error('left before the single runs'));
      if (items.includes(2)) throw new Error('2 is bad');
      return [...items];
    },
  });
  const results = await Promise.allSettled(
    Array.from({ length: 9 }, (_, index) => index + 1).map((item) =>
      batch(item, { signal: item === 9 ? leaving[0].signal : item === 3 ? leaving[1].signal : undefined }),
    ),
  );
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.message] : []));
  expect(failures).toEqual(['2 is bad', 'left before the single runs', 'left before the parts']);
  expect(runs).toEqual([[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3], [4, 5, 6], [7, 8], [1], [2]]);
});

it('batcher: does not run again what may have been committed', async () => {
  let runs = 0;
  const statuses = await runTogether(5, async () => {
    runs += 1;
    throw new CodedError('COMMIT_UNKNOWN', 'No answer came.', { retryable: true });
  });
  expect(new Set(statuses)).toEqual(new Set(['rejected']));
  expect(runs).toBe(1);
});
