import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Milliseconds per clock tick of /proc, on every Linux. */
const tickMs = 10;

/**
 * CPU time in milliseconds since the start of each process, by name. It includes child processes, such as the
 * connections of PostgreSQL, even if they have ended. Empty without /proc.
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
    // A child of the benchmark itself counts only by its own name, because it is a service or an engine.
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
    // The process's name, in brackets, may contain spaces. The fields after it are the state and the parent.
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
