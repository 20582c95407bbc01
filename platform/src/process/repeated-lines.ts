import type { Log } from './log.ts';

/**
 * Groups repeated log lines. The first line of a kind is written immediately. Later lines are summarised once per
 * interval, with their count.
 */
export interface RepeatedLines {
  /**
   * Logs a line, or counts it if its kind was logged within the interval. A summary line has the `count` of the lines
   * that it replaces, and the fields of the latest line.
   *
   * @param kind a text that repeated lines share, such as the error's code. The text must not contain an id, because
   *   lines with different ids would not be grouped
   */
  warn(kind: string, fields: object, message: string): void;
  error(kind: string, fields: object, message: string): void;
}

/** @param everyMs default: 10 s */
export function createRepeatedLines(log: Log, { everyMs = 10_000 } = {}): RepeatedLines {
  /**
   * For each kind, the number of lines since the last written line. An entry is removed after an interval without
   * lines.
   */
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
