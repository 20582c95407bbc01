import { expect, it } from 'vitest';
import { jumpHash, partitionOf } from './partitioner.ts';

it.each([
  [1n, 1, 0],
  [42n, 57, 43],
  [0xdead10ccn, 1, 0],
  [0xdead10ccn, 666, 361],
  [256n, 1_024, 520],
])('jump hash: puts key %d of %d buckets where other implementations do', (key, buckets, bucket) => {
  expect(jumpHash(key, buckets)).toBe(bucket);
});

const keys = Array.from({ length: 2_000 }, (_, number) => `+849${10_000_000 + number}`);

it('partitionOf: distributes keys evenly', () => {
  const counts = new Array(12).fill(0);
  for (const key of keys) counts[partitionOf(key, 12)] += 1;
  expect(Math.min(...counts)).toBeGreaterThan(120);
  expect(Math.max(...counts)).toBeLessThan(220);
});

it('partitionOf: moves keys only to an added partition', () => {
  for (let count = 1; count < 12; count += 1)
    for (const key of keys) {
      const [before, after] = [partitionOf(key, count), partitionOf(key, count + 3)];
      expect(after === before || after >= count).toBe(true);
    }
});
