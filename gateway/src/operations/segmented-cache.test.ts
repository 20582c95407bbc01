import { describe, expect, it } from 'vitest';
import { SegmentedCache } from './segmented-cache.ts';

const ids = (count: number) => Array.from({ length: count }, (_, index) => `id${index}`);

describe('segmented cache', () => {
  it('keeps values used again, however many are used once', () => {
    // Regression: a client that sent many new documents evicted all other documents, which had to be parsed and planned
    // again.
    const cache = new SegmentedCache<{ id: string }>(1_000);
    const known = { id: 'known' };
    cache.set('known', known, 100);
    expect(cache.get('known')).toBe(known);
    for (const id of ids(100)) cache.set(id, { id }, 100);
    expect(cache.get('known')).toBe(known);
    expect(ids(100).filter((id) => cache.get(id))).toEqual(['id98', 'id99']);
  });

  it('evicts the least recent of the values used again', () => {
    const cache = new SegmentedCache<{ id: string }>(1_000);
    for (const id of ids(10)) {
      cache.set(id, { id }, 100);
      cache.get(id);
    }
    expect(ids(10).filter((id) => cache.get(id))).toEqual(ids(10).slice(3));
  });

  it('stores a large value, but none larger than the cache', () => {
    const cache = new SegmentedCache<{ id: string }>(1_000);
    cache.set('large', { id: 'large' }, 700);
    cache.set('larger', { id: 'larger' }, 1_001);
    expect([cache.get('large'), cache.get('larger')]).toEqual([{ id: 'large' }, undefined]);
  });
});
