import { expect, it } from 'vitest';
import { longestRetryAfterMs, nextDelayMs, parseRetryAfterMs } from './retry.ts';

const schedule = [5_000, 300_000];
const random = () => 0;

it('nextDelayMs: follows the schedule, and is null after its last entry', () => {
  const delays = [1, 2, 3].map((failures) => nextDelayMs({ schedule, failures, retryAfterMs: null, random }));
  expect(delays).toEqual([5_000, 300_000, null]);
});

it('nextDelayMs: adds a random jitter of at most a fifth', () => {
  expect(nextDelayMs({ schedule, failures: 1, retryAfterMs: null, random: () => 1 })).toBe(6_000);
});

it('nextDelayMs: is lengthened by Retry-After up to a day, and never shortened', () => {
  const delay = (retryAfterMs: number) => nextDelayMs({ schedule, failures: 1, retryAfterMs, random });
  expect([delay(1_000), delay(60_000), delay(10 * longestRetryAfterMs)]).toEqual([5_000, 60_000, longestRetryAfterMs]);
});

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
