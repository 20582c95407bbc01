import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type Derived, derive } from './derive.ts';
import type { Behaviour } from './profiles.ts';

/** An accepted request, which is the purchase of one code. There is one order per idempotency key. */
export interface Order {
  key: string;
  phoneNumber: string;
  callbackUrl: string;
  requestedAt: number;
  behaviour: Behaviour;
  derived: Derived;
  /** Whether the challenge was sent. If so, a retry gets the challenge at once. */
  acknowledged: boolean;
  /** Whether the client has the code, by a response or by an accepted callback. */
  delivered: boolean;
  /** Whether the provider has given up the callback. */
  givenUp: boolean;
}

export interface Orders {
  get(key: string): Order | undefined;
  /**
   * Opens an order. If there are too many orders, it evicts the order that ended first. Returns null if too many orders
   * are pending.
   */
  open(order: Omit<Order, 'derived' | 'acknowledged' | 'delivered' | 'givenUp'>): Order | null;
  /** Saves an order that has changed. */
  save(order: Order): void;
  all(): Order[];
}

export interface OrdersOptions {
  seed: string;
  /** Maximum number of orders. */
  maxOrders: number;
  /** File of JSON lines that keeps the orders over a restart. Default: none. */
  stateFile?: string;
}

/** Number of lines by which the state file may exceed two lines per order. A longer file is compacted. */
const spareLines = 1_000;

/**
 * Creates the store of orders. If an evicted order is requested again, the code is the same, because the code depends
 * only on seed and key.
 */
export function createOrders({ seed, maxOrders, stateFile }: OrdersOptions): Orders {
  const orders = new Map<string, Order>();
  /** Keys of ended orders, in the order of ending. */
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
    // An order that was evicted before this call is not added again.
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

/**
 * Returns null for a line that does not parse, because a crash or a full disk truncated it. An order that was later
 * appended to the truncated line is also lost.
 */
function readLine(line: string): Omit<Order, 'derived'> | null {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
