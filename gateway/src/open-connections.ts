import { setTimeout as sleep } from 'node:timers/promises';
import { groupAddress } from '@voucher-gateway/platform/client-address';
import type { Log } from '@voucher-gateway/platform/log';
import { createRejectionLog } from './rejection-log.ts';

type Close = (force: AbortSignal) => Promise<void> | void;

/** How many long-lived connections may be open at once; `Infinity` for a limit that is off. */
export interface ConnectionLimits {
  /** In this process. */
  total: number;
  /** From one client address; IPv6 addresses count by their /64. */
  perAddress: number;
  /** From one client address, of clients that have not signed in. */
  anonymousPerAddress: number;
}

/** Whose connection it is, as far as the limits go. */
export interface ConnectionClient {
  address: string;
  isAnonymous: boolean;
}

/** A connection that is counted, until disposed. */
export interface OpenConnection extends Disposable {
  /** Counts it as one of a client that has signed in, from now on. */
  signIn(): void;
}

/** The long-lived connections of this process, whatever their transport: counted, limited, and closed in the end. */
export interface OpenConnections {
  readonly count: number;
  readonly isDraining: boolean;
  /**
   * Adds one; null where a limit is reached, which is logged.
   *
   * @param close tells the client to reconnect and closes; resolves once that is done. Called once, when it is its
   *   turn in the drain. It may wait for answers, until `force` aborts
   */
  tryAdd(client: ConnectionClient, close: Close): OpenConnection | null;
  /**
   * Closes all, spread over the window, so that those who reconnect do not do so together. Few are closed sooner: at
   * least a hundred a second. New ones that are added meanwhile are closed at once.
   *
   * @param answerWithinMs time that answers may take beyond the window, until `force` aborts. Default: 5 s
   */
  drain(windowMs: number, answerWithinMs?: number): Promise<void>;
}

const leastPerSecond = 100;

export function createOpenConnections(limits: ConnectionLimits, log: Log): OpenConnections {
  const open = new Set<CountedConnection>();
  const addresses = new Map<string, AddressCount>();
  let isDraining = false;
  const forcing = new AbortController();
  const logRejected = createRejectionLog(log);

  const reachedLimit = (ofAddress: AddressCount | undefined, isAnonymous: boolean): keyof ConnectionLimits | null => {
    if (open.size >= limits.total) return 'total';
    if ((ofAddress?.total ?? 0) >= limits.perAddress) return 'perAddress';
    if (isAnonymous && (ofAddress?.anonymous ?? 0) >= limits.anonymousPerAddress) return 'anonymousPerAddress';
    return null;
  };
  const closeOne = async (connection: CountedConnection) => {
    try {
      await connection.close(forcing.signal);
    } catch (error) {
      log.warn({ error }, 'a connection could not be closed');
    }
  };

  return {
    get count() {
      return open.size;
    },
    get isDraining() {
      return isDraining;
    },
    tryAdd({ address, isAnonymous }, close) {
      const group = groupAddress(address);
      const known = addresses.get(group);
      const limit = reachedLimit(known, isAnonymous);
      if (limit) {
        logRejected(limit, limits[limit]);
        return null;
      }
      const ofAddress = known ?? new AddressCount(addresses, group);
      const connection = new CountedConnection(open, close, ofAddress, isAnonymous);
      // Not before the caller has what it disposes of it by.
      if (isDraining) queueMicrotask(() => void closeOne(connection));
      else open.add(connection);
      return connection;
    },
    async drain(windowMs, answerWithinMs = 5_000) {
      isDraining = true;
      const total = open.size;
      const startedAt = performance.now();
      const stepMs = Math.min(windowMs / Math.max(1, total), 1_000 / leastPerSecond);
      const closing: Promise<void>[] = [];
      for (const [index, connection] of [...open].entries()) {
        const dueInMs = index * stepMs - (performance.now() - startedAt);
        // A timer is not finer than a millisecond: those who are due are closed together.
        if (dueInMs >= 1) await sleep(dueInMs);
        if (open.delete(connection)) closing.push(closeOne(connection));
      }
      const timer = setTimeout(() => forcing.abort(), answerWithinMs);
      await Promise.all(closing);
      clearTimeout(timer);
    },
  };
}

/** What one address has open. Leaves the map with its last connection. */
class AddressCount {
  total = 0;
  anonymous = 0;
  readonly #addresses: Map<string, AddressCount>;
  readonly #group: string;

  constructor(addresses: Map<string, AddressCount>, group: string) {
    this.#addresses = addresses;
    this.#group = group;
    addresses.set(group, this);
  }

  remove(): void {
    this.total -= 1;
    if (this.total === 0) this.#addresses.delete(this.#group);
  }
}

/** A class, for there are as many as connections. */
class CountedConnection implements OpenConnection {
  /** Tells the client to reconnect and closes. */
  readonly close: Close;
  readonly #open: Set<CountedConnection>;
  #ofAddress: AddressCount | null;
  #isAnonymous: boolean;

  constructor(open: Set<CountedConnection>, close: Close, ofAddress: AddressCount, isAnonymous: boolean) {
    this.#open = open;
    this.close = close;
    this.#ofAddress = ofAddress;
    this.#isAnonymous = isAnonymous;
    ofAddress.total += 1;
    if (isAnonymous) ofAddress.anonymous += 1;
  }

  signIn(): void {
    if (!this.#isAnonymous) return;
    this.#isAnonymous = false;
    if (this.#ofAddress) this.#ofAddress.anonymous -= 1;
  }

  [Symbol.dispose](): void {
    if (!this.#ofAddress) return;
    this.#open.delete(this);
    this.signIn();
    this.#ofAddress.remove();
    this.#ofAddress = null;
  }
}
