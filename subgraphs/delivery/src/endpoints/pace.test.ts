import { describe, expect, it } from 'vitest';
import { createPace, type Pace } from './pace.ts';

function setUp(options: { maxRunning?: number; maxPerSecond?: number } = {}) {
  const time = { ms: 0 };
  const pace = createPace({ maxRunning: 64, maxPerSecond: 1_000, ...options, now: () => time.ms });
  return { pace, time };
}

/** Returns the number of concurrent attempts that are allowed. */
function limitOf(pace: Pace): number {
  let running = 0;
  while (pace.allows(running)) running += 1;
  return running;
}

/** Starts as many attempts as are allowed, and returns their number. */
function startAll(pace: Pace): number {
  let started = 0;
  for (; pace.allows(0); started += 1) pace.start();
  return started;
}

describe('pace', () => {
  it('pace: lets a new endpoint have few attempts in progress', () => {
    expect(limitOf(setUp().pace)).toBe(16);
    expect(limitOf(setUp({ maxRunning: 4 }).pace)).toBe(4);
  });

  it('pace: allows more attempts in progress after successes that needed them', () => {
    const { pace } = setUp();
    for (let success = 0; success < 100; success += 1) pace.succeed(1);
    expect(limitOf(pace)).toBe(16);
    for (let success = 0; success < 4; success += 1) pace.succeed(16);
    expect(limitOf(pace)).toBe(20);
    for (let success = 0; success < 100; success += 1) pace.succeed(64);
    expect(limitOf(pace)).toBe(64);
  });

  it('pace: limits attempts per second', () => {
    const { pace, time } = setUp({ maxPerSecond: 100 });
    expect(startAll(pace)).toBe(25);
    time.ms += 100;
    expect(startAll(pace)).toBe(10);
    time.ms += 60_000;
    expect(startAll(pace)).toBe(25);
  });

  it('pace: halves both limits on a sign of overload, at most once a second', () => {
    const { pace, time } = setUp({ maxPerSecond: 100 });
    for (let attempt = 0; attempt < 20; attempt += 1) pace.start();
    pace.slowDown();
    pace.slowDown();
    expect(limitOf(pace)).toBe(8);
    startAll(pace);
    time.ms += 500;
    // The rate is now half of the 20 attempts of this second: ten per second.
    expect(startAll(pace)).toBe(2);
    time.ms += 500;
    pace.slowDown();
    expect(limitOf(pace)).toBeLessThanOrEqual(4);
  });

  it('pace: never stops an endpoint, and recovers with successes', () => {
    const { pace, time } = setUp({ maxPerSecond: 100 });
    for (let second = 0; second < 60; second += 1) {
      pace.slowDown();
      time.ms += 1_000;
    }
    time.ms += 10_000;
    expect(startAll(pace)).toBe(1);
    time.ms += 5_000;
    expect(startAll(pace)).toBe(1);
    let successes = 0;
    for (let tenth = 0; tenth < 600; tenth += 1) {
      time.ms += 100;
      for (let started = startAll(pace); started > 0; started -= 1) {
        pace.succeed(1);
        successes += 1;
      }
    }
    expect(successes).toBeGreaterThan(500);
  });

  it('pace: takes back an attempt that was not made', () => {
    const { pace } = setUp({ maxPerSecond: 1 });
    pace.start();
    expect(pace.allows(0)).toBe(false);
    pace.takeBack();
    expect(pace.allows(0)).toBe(true);
  });

  it('pace: allows nothing during a pause, which a shorter one does not end', () => {
    const { pace, time } = setUp();
    pace.pauseFor(10_000);
    pace.pauseFor(1);
    time.ms += 9_999;
    expect([pace.allows(0), pace.isPaused]).toEqual([false, true]);
    time.ms += 1;
    expect([pace.allows(0), pace.isPaused]).toEqual([true, false]);
  });
});
