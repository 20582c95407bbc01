import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type Derived, derive } from './derive.ts';
import type { Behaviour } from './profiles.ts';

/** A request the provider has taken on. One a key: it is what is bought. */
export interface Order {
  key: string;
  phoneNumber: string;
  callbackUrl: string;
  requestedAt: number;
  behaviour: Behaviour;
  derived: Derived;
  /** Whether the challenge has gone out: a repeat then gets it at once. */
  acknowledged: boolean;
  /** Whether the code has reached the client: by answer, or by a callback that was taken. */
  delivered: boolean;
  /** Whether its callback was given up. */
  givenUp: boolean;
}

export interface Orders {
  get(key: string): Order | undefined;
  /** Null where there are too many that still have to be delivered. Else the order that ended first makes room. */
  open(order: Omit<Order, 'derived' | 'acknowledged' | 'delivered' | 'givenUp'>): Order | null;
  /** Writes down what has changed. */
  save(order: Order): void;
  all(): Order[];
}

export interface OrdersOptions {
  seed: string;
  /** Orders at most. */
  maxOrders: number;
  /** File of JSON lines that keeps the orders over a restart. Default: none. */
  stateFile?: string;
}

/** Lines that the file may have beyond two for each order, until it is written anew. */
const spareLines = 1_000;

/** The provider's book. An order that made room and is asked for again has the same code, which follows from its key. */
export function createOrders({ seed, maxOrders, stateFile }: OrdersOptions): Orders {
  const orders = new Map<string, Order>();
  /** Keys of those that have ended, in the order in which they did. */
  const ended = new Set<string>();
  let lines = 0;

  const keep = (order: Order) => {
    orders.set(order.key, order);
    if (!order.delivered && !order.givenUp) ended.delete(order.key);
    else ended.add(order.key);
  };
  const evictUntil = (count: number) => {
    for (const key of ended) {
      if (orders.size <= count) return;
      ended.delete(key);
      orders.delete(key);
    }
  };
  const write = ({ derived: _derived, ...order }: Order) => `${JSON.stringify(order)}\n`;
  const rewrite = () => {
    if (stateFile === undefined) return;
    writeFileSync(`${stateFile}.next`, [...orders.values()].map(write).join(''));
    renameSync(`${stateFile}.next`, stateFile);
    lines = orders.size;
  };
  const save = (order: Order) => {
    // One that made room meanwhile stays away.
    if (orders.get(order.key) !== order) return;
    keep(order);
    if (stateFile === undefined) return;
    appendFileSync(stateFile, write(order));
    lines += 1;
    if (lines > 2 * orders.size + spareLines) rewrite();
  };

  if (stateFile !== undefined && existsSync(stateFile)) {
    for (const line of readFileSync(stateFile, 'utf8').split('\n')) {
      const saved = readLine(line);
      if (saved) keep({ ...saved, derived: derive(seed, saved.key) });
    }
    evictUntil(maxOrders);
    rewrite();
  }

  return {
    get: (key) => orders.get(key),
    open(order) {
      evictUntil(maxOrders - 1);
      if (orders.size >= maxOrders) return null;
      const derived = derive(seed, order.key);
      const opened = { ...order, derived, acknowledged: false, delivered: false, givenUp: false };
      orders.set(order.key, opened);
      save(opened);
      return opened;
    },
    save,
    all: () => [...orders.values()],
  };
}

/** Null for a line that a crash or a full disk cut short; the next one may have been written behind it. */
function readLine(line: string): Omit<Order, 'derived'> | null {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
