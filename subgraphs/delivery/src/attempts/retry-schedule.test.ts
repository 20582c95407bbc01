import { expect, it } from 'vitest';
import { nextDelayMs } from './retry-schedule.ts';

const schedule = [5_000, 300_000];
const maxRetryAfterMs = 86_400_000;
const random = () => 0;

it('nextDelayMs: follows the schedule, and is null after its last entry', () => {
  const delays = [1, 2, 3].map((failures) =>
    nextDelayMs({ schedule, failures, retryAfterMs: null, maxRetryAfterMs, random: () => 0.5 }),
  );
  expect(delays).toEqual([5_000, 300_000, null]);
});

it('nextDelayMs: is changed at random by at most a fifth', () => {
  const delays = [0, 1].map((most) =>
    nextDelayMs({ schedule, failures: 1, retryAfterMs: null, maxRetryAfterMs, random: () => most }),
  );
  expect(delays).toEqual([4_000, 6_000]);
});

it('nextDelayMs: is lengthened by Retry-After up to a limit, and never shortened', () => {
  const delay = (retryAfterMs: number) => nextDelayMs({ schedule, failures: 1, retryAfterMs, maxRetryAfterMs, random });
  expect([delay(1_000), delay(60_000), delay(10 * maxRetryAfterMs)]).toEqual([4_000, 60_000, maxRetryAfterMs]);
});
