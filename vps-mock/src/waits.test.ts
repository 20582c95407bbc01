import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { describe, expect, it } from 'vitest';
import { createWaits } from './waits.ts';

describe('waits', () => {
  it('each ends at its time', async () => {
    const clock = createTestClock();
    using waits = createWaits(clock);
    const ended: number[] = [];
    const both = [2_000, 1_000].map((delayMs) => waits.wait(delayMs).then(() => ended.push(delayMs)));
    clock.advance(1_000);
    await both[1];
    expect(ended).toEqual([1_000]);
    clock.advance(1_000);
    await both[0];
    expect(ended).toEqual([1_000, 2_000]);
  });

  it('reject with an AbortError on disposal, and leave no timer', async () => {
    const clock = createTestClock();
    const waits = createWaits(clock);
    const all = Promise.allSettled(Array.from({ length: 100 }, () => waits.wait(1_000)));
    waits[Symbol.dispose]();
    const later = Promise.allSettled([waits.wait(0)]);
    const outcomes = [...(await all), ...(await later)];
    expect(outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.name)).toEqual(
      Array.from({ length: 101 }, () => 'AbortError'),
    );
    expect(clock.pending).toBe(0);
  });
});
