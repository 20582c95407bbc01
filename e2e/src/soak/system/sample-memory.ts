import { type MemorySample, readResidentMiB } from './memory.ts';
import type { SystemProcess } from './soak-system.ts';

const everyMs = 2_000;

/** Samples the resident memory of these processes until `stop` is called. */
export function sampleMemory(processes: readonly SystemProcess[]): { taken: readonly MemorySample[]; stop(): void } {
  const taken: MemorySample[] = [];
  const started = new Map<string, { pid: number | undefined; atMs: number }>();
  const sample = () => {
    for (const { name, pid } of processes) {
      const atMs = performance.now();
      if (started.get(name)?.pid !== pid) started.set(name, { pid, atMs });
      const residentMiB = readResidentMiB(pid);
      if (residentMiB !== null)
        taken.push({ name, atMs, ageMs: atMs - (started.get(name)?.atMs ?? atMs), residentMiB });
    }
  };
  const timer = setInterval(sample, everyMs);
  return { taken, stop: () => clearInterval(timer) };
}
