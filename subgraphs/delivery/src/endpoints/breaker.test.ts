import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createBreaker } from './breaker.ts';

// cockatiel reads the machine's clock.
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

function setUp() {
  const changes: string[] = [];
  const breaker = createBreaker({
    failures: 3,
    pauseMs: 1_000,
    maxPauseMs: 4_000,
    onChange: (state) => changes.push(state),
  });
  const record = async (...failures: boolean[]) => {
    for (const isFailure of failures) {
      breaker.record(isFailure);
      // cockatiel applies a result a few microtasks later.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const advance = (ms: number) => vi.setSystemTime(Date.now() + ms);
  return { breaker, changes, record, advance };
}

describe('circuit breaker', () => {
  it('breaker: opens after consecutive failures only', async () => {
    const { breaker, changes, record } = setUp();
    await record(true, true, false, true, true);
    expect([breaker.state, breaker.allows(100)]).toEqual(['closed', true]);
    await record(true);
    expect([breaker.state, breaker.allows(0)]).toEqual(['open', false]);
    expect(changes).toEqual(['open']);
  });

  it('breaker: allows one attempt after its pause, whose success closes it', async () => {
    const { breaker, changes, record, advance } = setUp();
    await record(true, true, true);
    advance(1_000);
    expect([breaker.state, breaker.allows(0), breaker.allows(1)]).toEqual(['half-open', true, false]);
    await record(false);
    expect([breaker.state, breaker.allows(100)]).toEqual(['closed', true]);
    expect(changes).toEqual(['open', 'closed']);
  });

  it('breaker: opens for longer after each failed probe, up to a limit', async () => {
    const { breaker, changes, record, advance } = setUp();
    await record(true, true, true);
    const pauses: number[] = [];
    for (let probe = 0; probe < 6; probe += 1) {
      let ms = 0;
      for (; breaker.state === 'open'; ms += 10) advance(10);
      pauses.push(ms);
      await record(true);
    }
    expect(pauses[0]).toBeGreaterThanOrEqual(500);
    expect(pauses[0]).toBeLessThanOrEqual(1_010);
    for (const pause of pauses.slice(2)) {
      expect(pause).toBeGreaterThanOrEqual(2_000);
      expect(pause).toBeLessThanOrEqual(4_010);
    }
    expect(changes).toEqual(['open']);
  });

  it('breaker: ignores the results of earlier attempts while it is open', async () => {
    const { breaker, record } = setUp();
    await record(true, true, true, false, false, true);
    expect(breaker.state).toBe('open');
  });
});
