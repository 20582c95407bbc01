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

/** Runs an attack. */
export function attack({ send }: Attack, url: string, system: System): Promise<Answer> {
  return typeof send === 'function' ? send(system) : exchange(url, send);
}
