import { describe, expect, it } from 'vitest';
import { createRandom, createSchedule, faultNames } from './schedule.ts';

const ofSeed = (seed: string) => createSchedule({ seed, durationMs: 900_000, everyMs: 20_000 });

describe('soak: schedule', () => {
  it('schedule: depends only on the seed', () => {
    expect(ofSeed('7')).toEqual(ofSeed('7'));
    expect(ofSeed('7')).not.toEqual(ofSeed('8'));
  });

  it('schedule: starts a fault at each interval, but not at the end', () => {
    const schedule = ofSeed('7');
    expect(schedule.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 44 }, (_, index) => (index + 1) * 20_000));
    for (const { which } of schedule) {
      expect(which).toBeGreaterThanOrEqual(0);
      expect(which).toBeLessThan(1);
    }
  });

  it('schedule: has each fault once before any is repeated', () => {
    const names = ofSeed('7').map(({ fault }) => fault);
    for (let from = 0; from + faultNames.length <= names.length; from += faultNames.length)
      expect(names.slice(from, from + faultNames.length).toSorted()).toEqual(faultNames.toSorted());
    expect(names.slice(0, faultNames.length)).not.toEqual(names.slice(faultNames.length, 2 * faultNames.length));
  });

  it('schedule: has only the selected faults', () => {
    const names = ['redis-flushed', 'service-killed'] as const;
    const schedule = createSchedule({ seed: '7', durationMs: 100_000, everyMs: 10_000, names });
    expect(new Set(schedule.map(({ fault }) => fault))).toEqual(new Set(names));
  });

  it('schedule: is empty if there is no time for a fault', () => {
    expect(createSchedule({ seed: '7', durationMs: 10_000, everyMs: 20_000 })).toEqual([]);
  });

  it('random: is spread over its range', () => {
    const random = createRandom('seed');
    const numbers = Array.from({ length: 10_000 }, random);
    expect(numbers.reduce((sum, number) => sum + number, 0) / numbers.length).toBeCloseTo(0.5, 1);
  });
});
