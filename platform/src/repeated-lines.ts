import type { Log } from './log.ts';

/** Log lines that a flood repeats: one per kind at once, then one per interval with how many it stands for. */
export interface RepeatedLines {
  /**
   * Logs a line, or counts it where its kind was logged within the interval. A line's `count` says how many it stands
   * for, with the fields of the last.
   *
   * @param kind what the lines of a flood have in common; of a small set, never an id of a request
   */
  warn(kind: string, fields: object, message: string): void;
  error(kind: string, fields: object, message: string): void;
}

/** @param everyMs default: 10 s */
export function createRepeatedLines(log: Log, { everyMs = 10_000 } = {}): RepeatedLines {
  /** By kind, what was counted since its last line; a kind without a flood is forgotten. */
  const floods = new Map<string, { count: number; write(count: number): void }>();

  const startInterval = (kind: string) => {
    floods.set(kind, { count: 0, write() {} });
    setTimeout(() => {
      const flood = floods.get(kind);
      floods.delete(kind);
      if (!flood?.count) return;
      startInterval(kind);
      flood.write(flood.count);
    }, everyMs).unref();
  };
  const line = (level: 'warn' | 'error') => (kind: string, fields: object, message: string) => {
    const write = (count: number) => log[level]({ ...fields, count }, message);
    const flood = floods.get(kind);
    if (!flood) {
      startInterval(kind);
      return write(1);
    }
    flood.count += 1;
    flood.write = write;
  };
  return { warn: line('warn'), error: line('error') };
}
