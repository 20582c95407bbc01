import { createLog, type Log } from '../process/log.ts';

/** A log for tests: `text` is everything that was written. */
export function createMemoryLog(level = 'trace'): Log & { readonly text: string } {
  const lines: string[] = [];
  const log = createLog({ level, service: 'test', destination: { write: (line) => void lines.push(line) } });
  return Object.defineProperty(log, 'text', { get: () => lines.join('') }) as Log & { readonly text: string };
}
