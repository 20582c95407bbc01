import { expect, it } from 'vitest';
import { SegmentedCache } from './segmented-cache.ts';

const ids = (count: number) => Array.from({ length: count }, (_, index) => `id${index}`);

it('repeat cache: keeps what is used again, however much is used once', () => {
  // Regression: a client with ever new documents emptied the cache, and everybody else's were read and planned again.
  const cache = new SegmentedCache<{ id: string }>(1_000);
  const known = { id: 'known' };
  cache.set('known', known, 100);
  expect(cache.get('known')).toBe(known);
  for (const id of ids(100)) cache.set(id, { id }, 100);
  expect(cache.get('known')).toBe(known);
  expect(ids(100).filter((id) => cache.get(id))).toEqual(['id98', 'id99']);
});

it('repeat cache: forgets what was used least among that which is used again, past its bytes', () => {
  const cache = new SegmentedCache<{ id: string }>(1_000);
  for (const id of ids(10)) {
    cache.set(id, { id }, 100);
    cache.get(id);
  }
  expect(ids(10).filter((id) => cache.get(id))).toEqual(ids(10).slice(3));
});

it('repeat cache: keeps one that is large, and none larger than all', () => {
  const cache = new SegmentedCache<{ id: string }>(1_000);
  cache.set('large', { id: 'large' }, 700);
  cache.set('larger', { id: 'larger' }, 1_001);
  expect([cache.get('large'), cache.get('larger')]).toEqual([{ id: 'large' }, undefined]);
});
