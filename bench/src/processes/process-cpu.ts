import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Milliseconds per clock tick of /proc, on every Linux. */
const tickMs = 10;

/**
 * Returns the CPU time of each process since its start, in milliseconds, by name. The time includes child processes
 * that run or have ended, such as the connections of PostgreSQL. Without /proc the result is empty.
 *
 * @param pids process ids by name
 */
export function readCpuMs(pids: Readonly<Record<string, number | undefined>>): Map<string, number> {
  if (!existsSync('/proc/self/stat')) return new Map();
  const nameOf = new Map(Object.entries(pids).map(([name, pid]) => [pid, name]));
  const used = new Map<string, number>();
  for (const { pid, parent, ownMs, endedChildrenMs } of readProcesses()) {
    const own = nameOf.get(pid);
    const name = own ?? nameOf.get(parent);
    // Children of the benchmark process are services and engines. Their CPU time is not added to that of the benchmark.
    if (name === undefined || (own === undefined && parent === process.pid)) continue;
    used.set(name, (used.get(name) ?? 0) + ownMs + endedChildrenMs);
  }
  return used;
}

function* readProcesses() {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    let stat: string;
    try {
      stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
    } catch {
      // The process has ended since it was listed.
      continue;
    }
    // In the file, the process's name is in brackets, and may contain spaces. The fields after the brackets start with
    // the state and the parent.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = (...indexes: number[]) => indexes.reduce((sum, index) => sum + Number(fields[index]), 0);
    yield {
      pid: Number(entry),
      parent: Number(fields[1]),
      ownMs: ticks(11, 12) * tickMs,
      endedChildrenMs: ticks(13, 14) * tickMs,
    };
  }
}
