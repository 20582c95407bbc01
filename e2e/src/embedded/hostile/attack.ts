import type { System } from '../../system.ts';
import { type Answer, exchange } from './wire.ts';

/** One hostile input, and what it is to be answered. */
export interface Attack {
  name: string;
  /** The bytes of a connection to the table's server, or whatever takes more than that. */
  send: Buffer | string | ((system: System) => Promise<Answer>);
  /** HTTP status; null: cut off without an answer. Default: any below 500. */
  status?: number | null;
  /** Error code that the answer holds. */
  code?: string;
  /** Of a WebSocket. */
  closeCode?: number;
}

export interface AttackTable {
  boundary: string;
  /** The server that bytes go to. */
  urlOf(system: System): string;
  attacks: readonly Attack[];
}

/** What only our own side may see: stacks, JavaScript's errors, SQL, files and addresses. */
const internals: readonly RegExp[] = [
  /\n\s+at .+[:(]/,
  /node_modules|file:\/\/|\.[cm]?[jt]s:\d+/,
  // A parser's own `Syntax Error: …` speaks of the document alone.
  /\b(Type|Range|Reference|Syntax|Internal|Aggregate)Error\b|(?<!Syntax )\bError: /,
  /Cannot (read|set|convert|destructure|assign)|is not (a function|iterable|defined)|Unexpected (token|end of)|in JSON at/,
  /call stack|Invalid string length|stack ?trace/i,
  /\b(select|insert into|update|delete from)\b .+ (from|values|set|where)\b|SQLSTATE|Failed query|pglite|postgres|drizzle/i,
  /E(CONNREFUSED|CONNRESET|PIPE|NOENT|ADDRINUSE)\b|127\.0\.0\.1:\d+|localhost:\d+/,
];

/** Runs an attack. */
export function attack({ send }: Attack, url: string, system: System): Promise<Answer> {
  return typeof send === 'function' ? send(system) : exchange(url, send);
}

/** What the answer lets slip; null where it is clean. */
export function findInternal({ text }: Answer): string | null {
  for (const pattern of internals) {
    const [found] = pattern.exec(text) ?? [];
    if (found !== undefined) return found;
  }
  return null;
}
