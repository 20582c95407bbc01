import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { type Derived, derive } from './derive.ts';
import type { Behaviour } from './profiles.ts';

/** A request the provider has taken on. One a key, ever: it is what is bought. */
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
}

export interface Orders {
  get(key: string): Order | undefined;
  open(order: Omit<Order, 'derived' | 'acknowledged' | 'delivered'>): Order;
  /** Writes down what has changed. */
  save(order: Order): void;
  all(): Order[];
}

/** The provider's book, in a file of JSON lines where it is to outlive the process. */
export function createOrders({ seed, stateFile }: { seed: string; stateFile?: string }): Orders {
  const orders = new Map<string, Order>();
  const restore = (line: string) => {
    const saved = JSON.parse(line) as Omit<Order, 'derived'>;
    orders.set(saved.key, { ...saved, derived: derive(seed, saved.key) });
  };
  if (stateFile !== undefined && existsSync(stateFile)) {
    // A line that was cut short by a crash is an order nobody was answered for.
    for (const line of readFileSync(stateFile, 'utf8').split('\n')) if (line.endsWith('}')) restore(line);
  }
  const save = ({ derived: _derived, ...order }: Order) => {
    if (stateFile !== undefined) appendFileSync(stateFile, `${JSON.stringify(order)}\n`);
  };
  return {
    get: (key) => orders.get(key),
    open(order) {
      const opened = { ...order, derived: derive(seed, order.key), acknowledged: false, delivered: false };
      orders.set(order.key, opened);
      save(opened);
      return opened;
    },
    save,
    all: () => [...orders.values()],
  };
}
