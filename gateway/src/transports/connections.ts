import { setTimeout as sleep } from 'node:timers/promises';
import { groupAddress } from '@voucher-gateway/platform/http/client-address';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRejectionLog } from './rejection-log.ts';

type Close = (force: AbortSignal) => Promise<void> | void;

/** Limits of concurrent long-lived connections; `Infinity` turns a limit off. */
export interface ConnectionLimits {
  /** Connections in this process. */
  total: number;
  /** Connections from one client address. IPv6 addresses with the same first 64 bits count as one. */
  perAddress: number;
  /** Connections from one client address whose clients have not signed in. */
  anonymousPerAddress: number;
}

/** The properties of a connection's client that the limits use. */
export interface ConnectionClient {
  address: string;
  isAnonymous: boolean;
}

/** A counted connection. Disposing stops counting it. */
export interface OpenConnection extends Disposable {
  /** From now on, the connection no longer counts as anonymous. */
  signIn(): void;
}

/** Counts and limits the long-lived connections of this process over all transports, and drains them at shutdown. */
export interface OpenConnections {
  readonly count: number;
  readonly isDraining: boolean;
  /**
   * Adds a connection. If a limit is reached, the method logs the rejection and returns null.
   *
   * @param close called once during the drain. The function asks the client to reconnect, closes the connection, and
   *   then resolves. The function may wait for running operations until the signal `force` aborts
   */
  tryAdd(client: ConnectionClient, close: Close): OpenConnection | null;
  /**
   * Closes all connections, spread over `windowMs` so that clients do not all reconnect at the same time. At least a
   * hundred connections are closed per second, so the drain may end before `windowMs`. Connections that are added
   * during the drain are closed immediately.
   *
   * @param answerWithinMs time that running operations have after all connections were asked to close, before the
   *   signal `force` aborts. Default: 5 s
   */
  drain(windowMs: number, answerWithinMs?: number): Promise<void>;
}

const leastPerSecond = 100;

/** The clock that a drain uses, in milliseconds. */
export interface DrainTime {
  now(): number;
  sleep(durationMs: number): Promise<unknown>;
}

const systemTime: DrainTime = { now: () => performance.now(), sleep };

export function createOpenConnections(
  limits: ConnectionLimits,
  log: Log,
  time: DrainTime = systemTime,
): OpenConnections {
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
      // `close` is called only after the return, because the caller needs the returned Disposable first.
      if (isDraining) queueMicrotask(() => void closeOne(connection));
      else open.add(connection);
      return connection;
    },
    async drain(windowMs, answerWithinMs = 5_000) {
      isDraining = true;
      const total = open.size;
      const startedAtMs = time.now();
      const stepMs = Math.min(windowMs / Math.max(1, total), 1_000 / leastPerSecond);
      const closing: Promise<void>[] = [];
      for (const [index, connection] of [...open].entries()) {
        const dueInMs = index * stepMs - (time.now() - startedAtMs);
        // A connection that is due within a millisecond is closed without a timer, because timers have a resolution of
        // a millisecond.
        if (dueInMs >= 1) await time.sleep(dueInMs);
        if (open.delete(connection)) closing.push(closeOne(connection));
      }
      const timer = setTimeout(() => forcing.abort(), answerWithinMs);
      await Promise.all(closing);
      clearTimeout(timer);
    },
  };
}

/** Counts the open connections of one address. The count is removed with the last connection. */
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

/** A connection with its counts. There is one per connection, and a class instance takes less memory than closures. */
class CountedConnection implements OpenConnection {
  /** Asks the client to reconnect, and closes the connection. */
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
