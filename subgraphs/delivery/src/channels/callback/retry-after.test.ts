import { expect, it } from 'vitest';
import { parseRetryAfterMs } from './retry-after.ts';

it.each([
  ['120', 120_000],
  ['0', 0],
  ['Sat, 31 Jan 2026 12:01:00 GMT', 60_000],
  ['Sat, 31 Jan 2026 11:00:00 GMT', 0],
  ['-1', null],
  ['soon', null],
  ['1.5', null],
  [undefined, null],
])('parseRetryAfterMs: parses %s as %s ms', (header, expected) => {
  expect(parseRetryAfterMs(header, Date.parse('2026-01-31T12:00:00Z'))).toBe(expected);
});
