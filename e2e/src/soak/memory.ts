import { readFileSync } from 'node:fs';

/** Resident memory of a process at a time. */
export interface MemorySample {
  /** Its service, and which process of it. */
  name: string;
  atMs: number;
  /** How long it has run. */
  ageMs: number;
  residentMiB: number;
}

/** How much memory the processes of one name held once they were warm, and later. */
export interface MemoryGrowth {
  name: string;
  fromMiB: number;
  toMiB: number;
  /** 0.1 is 10 % more. */
  growth: number;
}

/** Resident memory of a process in MiB; null where there is none of that id. */
export function readResidentMiB(pid: number | undefined): number | null {
  try {
    const kiB = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kiB === undefined ? null : Number(kiB) / 1_024;
  } catch {
    return null;
  }
}

/** Fewer samples than this at either end say nothing. */
const minSamples = 5;

/**
 * Compares the median of the first third of the time with that of the last. Samples of a process that is younger than
 * `warmUpMs` do not count, for a process that was restarted holds little. A name with too few samples is left out.
 */
export function measureGrowth(samples: readonly MemorySample[], warmUpMs: number): MemoryGrowth[] {
  const warm = samples.filter(({ ageMs }) => ageMs >= warmUpMs);
  return [...Map.groupBy(warm, ({ name }) => name)].flatMap(([name, ofName]) => {
    const times = ofName.map(({ atMs }) => atMs);
    const [first, last] = [Math.min(...times), Math.max(...times)];
    const third = (last - first) / 3;
    const early = ofName.filter(({ atMs }) => atMs <= first + third);
    const late = ofName.filter(({ atMs }) => atMs >= last - third);
    if (Math.min(early.length, late.length) < minSamples) return [];
    const [fromMiB, toMiB] = [medianOf(early), medianOf(late)];
    return [{ name, fromMiB, toMiB, growth: toMiB / fromMiB - 1 }];
  });
}

function medianOf(samples: readonly MemorySample[]): number {
  const sorted = samples.map(({ residentMiB }) => residentMiB).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
