import { expect, it } from 'vitest';
import { withArrivals } from './with-arrivals.ts';

const row = (id: string, second: number) => ({ id, at: `2026-01-31T12:00:0${second}.000Z` });
const merge = (page: ReturnType<typeof row>[], arrived: ReturnType<typeof row>[]) =>
  withArrivals(page, arrived, ({ at }) => at, 3).map(({ id }) => id);

it('arrivals: precede a page that was read before them, newest first', () => {
  expect(merge([row('a', 1)], [row('c', 3), row('b', 2)])).toEqual(['c', 'b', 'a']);
  expect(merge([], [row('a', 1)])).toEqual(['a']);
});

it('arrivals: of the same time are in the order of their arrival', () => {
  expect(merge([row('a', 1)], [row('b', 1), row('c', 1)])).toEqual(['c', 'b', 'a']);
});

it('arrivals: that a page has, or that are on an older one, are left out', () => {
  const page = [row('c', 3), row('b', 2)];
  expect(withArrivals(page, [row('a', 1), row('c', 3)], ({ at }) => at, 3)).toBe(page);
});

it('arrivals: do not make a page longer', () => {
  expect(merge([row('c', 3), row('b', 2), row('a', 1)], [row('d', 4)])).toEqual(['d', 'c', 'b']);
});
