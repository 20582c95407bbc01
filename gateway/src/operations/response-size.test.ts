import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isLargerThan } from './response-size.ts';

it('response size: is at least a sixth of the text, and hardly more than it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const bytes = Buffer.byteLength(JSON.stringify(value));
      expect(isLargerThan(value, 3 * bytes + 8)).toBe(false);
      expect(isLargerThan(value, Math.floor(bytes / 6) - 1)).toBe(true);
    }),
  );
});

it('response size: counts an object once per reference', () => {
  let answer: object = { name: 'x'.repeat(100) };
  // 2^60 entries, whose text could not be built.
  for (let level = 0; level < 60; level += 1) answer = { a: answer, b: answer };
  expect(isLargerThan(answer, 1_000_000)).toBe(true);
});

it('response size: does not recurse', () => {
  let deep: unknown = null;
  for (let level = 0; level < 200_000; level += 1) deep = [deep];
  expect(isLargerThan(deep, 100)).toBe(true);
  expect(isLargerThan(deep, 1_000_000)).toBe(false);
});
