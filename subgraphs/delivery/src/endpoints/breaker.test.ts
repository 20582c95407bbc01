import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createBreaker } from './breaker.ts';

function setUp() {
  const changes: string[] = [];
  let now = 0;
  const breaker = createBreaker({
    failures: 3,
    pauseMs: 1_000,
    maxPauseMs: 4_000,
    onChange: (state) => changes.push(state),
    now: () => now,
  });
  const record = (...failures: boolean[]) => {
    for (const isFailure of failures) breaker.record(isFailure);
  };
  const advance = (ms: number) => {
    now += ms;
  };
  return { breaker, changes, record, advance };
}

describe('circuit breaker', () => {
  it('breaker: opens after consecutive failures only', () => {
    const { breaker, changes, record } = setUp();
    record(true, true, false, true, true);
    expect([breaker.state, breaker.allows(100)]).toEqual(['closed', true]);
    record(true);
    expect([breaker.state, breaker.allows(0)]).toEqual(['open', false]);
    expect(changes).toEqual(['open']);
  });

  it('breaker: allows one attempt after its pause, whose success closes it', () => {
    const { breaker, changes, record, advance } = setUp();
    record(true, true, true);
    advance(1_000);
    expect([breaker.state, breaker.allows(0), breaker.allows(1)]).toEqual(['half-open', true, false]);
    record(false);
    expect([breaker.state, breaker.allows(100)]).toEqual(['closed', true]);
    expect(changes).toEqual(['open', 'closed']);
  });

  it('breaker: opens for longer after each failed probe, up to a limit', () => {
    const { breaker, changes, record, advance } = setUp();
    record(true, true, true);
    const pauses: number[] = [];
    for (let probe = 0; probe < 6; probe += 1) {
      let ms = 0;
      for (; breaker.state === 'open'; ms += 10) advance(10);
      pauses.push(ms);
      record(true);
    }
    expect(pauses[0]).toBeGreaterThanOrEqual(500);
    expect(pauses[0]).toBeLessThanOrEqual(1_010);
    for (const pause of pauses.slice(2)) {
      expect(pause).toBeGreaterThanOrEqual(2_000);
      expect(pause).toBeLessThanOrEqual(4_010);
    }
    expect(changes).toEqual(['open']);
  });

  it('breaker: ignores the results of earlier attempts while it is open', () => {
    const { breaker, record } = setUp();
    record(true, true, true, false, false, true);
    expect(breaker.state).toBe('open');
  });

  // Regression: after the clock was set back by an hour, the deliveries of the endpoint waited for that hour.
  it('breaker: ends its pause although the clock of the machine is set back', async () => {
    const readClock = Date.now;
    const breaker = createBreaker({ failures: 1, pauseMs: 200, maxPauseMs: 200 });
    breaker.record(true);
    await expect.poll(() => breaker.state, { interval: 5 }).toBe('open');
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => readClock() - 3_600_000);
    onTestFinished(() => clock.mockRestore());
    await expect.poll(() => breaker.allows(0), { timeout: 2_000 }).toBe(true);
  });
});
