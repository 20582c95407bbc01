import type { System } from '../../system.ts';
import { type Answer, exchange } from './wire.ts';

/** A hostile input and the expected response. */
export interface Attack {
  name: string;
  /**
   * The bytes to send, or a function that runs a longer attack. `urlOf` of the `AttackTable` returns the URL to which
   * the bytes are sent.
   */
  send: Buffer | string | ((system: System) => Promise<Answer>);
  /** HTTP status; null if the connection is closed without a response. Default: any status below 500. */
  status?: number | null;
  /** Error code in the response. */
  code?: string;
  /** Close code of a WebSocket. */
  closeCode?: number;
}

export interface AttackTable {
  boundary: string;
  /** The server to which bytes are sent. */
  urlOf(system: System): string;
  attacks: readonly Attack[];
}

export function attack({ send }: Attack, url: string, system: System): Promise<Answer> {
  return typeof send === 'function' ? send(system) : exchange(url, send);
}
