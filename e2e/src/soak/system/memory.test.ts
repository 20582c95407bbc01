import { describe, expect, it } from 'vitest';
import { type MemorySample, measureGrowth, readResidentMiB } from './memory.ts';

/** Creates one sample per second. */
const series = (name: string, residentMiB: (second: number) => number, startedAt = 0): MemorySample[] =>
  Array.from({ length: 60 }, (_, second) => ({
    name,
    atMs: startedAt + second * 1_000,
    ageMs: second * 1_000,
    residentMiB: residentMiB(second),
  }));

describe('soak: memory', () => {
  it('memory: reads the memory of a process; null if it does not exist', () => {
    expect(readResidentMiB(process.pid)).toBeGreaterThan(10);
    expect(readResidentMiB(undefined)).toBeNull();
  });

  it('memory: finds no growth in peaks and warm-up', () => {
    const flat = series('voucher', (second) => (second < 10 ? 20 : second % 7 === 0 ? 300 : 100));
    expect(measureGrowth(flat, 10_000)).toEqual([{ name: 'voucher', fromMiB: 100, toMiB: 100, growth: 0 }]);
  });

  it('memory: finds the growth of a process that leaks', () => {
    const samples = [...series('voucher', () => 100), ...series('gateway', (second) => 100 + second)];
    const [voucher, gateway] = measureGrowth(samples, 10_000);
    expect(voucher).toMatchObject({ name: 'voucher', growth: 0 });
    expect(gateway?.name).toBe('gateway');
    expect(gateway?.growth).toBeGreaterThan(0.2);
  });

  it('memory: finds growth in spite of a restart, which frees memory', () => {
    const leak = series('voucher', (second) => 100 + 2 * second);
    const restarted = series('voucher', () => 20, 60_000).slice(0, 9);
    expect(measureGrowth([...leak, ...restarted], 10_000)[0]?.growth).toBeGreaterThan(0.3);
  });

  it('memory: ignores a process with too little time after its warm-up', () => {
    expect(
      measureGrowth(
        series('voucher', () => 100),
        57_000,
      ),
    ).toEqual([]);
  });
});
