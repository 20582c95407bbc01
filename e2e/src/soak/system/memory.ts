import { readFileSync } from 'node:fs';

/** A sample of a process's resident memory. */
export interface MemorySample {
  /** The name of the process: its service and number. */
  name: string;
  atMs: number;
  /** How long the process has run. */
  ageMs: number;
  residentMiB: number;
}

/** The median memory of a process, including its restarts, in the first and in the last third of the run. */
export interface MemoryGrowth {
  name: string;
  fromMiB: number;
  toMiB: number;
  /** Growth as a share: 0.1 means 10 % more. */
  growth: number;
}

/** Resident memory of a process in MiB; null if it does not exist. */
export function readResidentMiB(pid: number | undefined): number | null {
  try {
    const kiB = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kiB === undefined ? null : Number(kiB) / 1_024;
  } catch {
    return null;
  }
}

/** Minimum number of samples in the first third and in the last third. */
const minSamples = 5;

/**
 * Compares the median memory of the last third of the run with the median memory of the first third. Samples of
 * processes younger than `warmUpMs` do not count, because a restarted process uses little memory. Processes with too
 * few samples are omitted.
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
