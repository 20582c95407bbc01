import type { Clock } from '@voucher-gateway/platform/async/clock';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Log } from '@voucher-gateway/platform/process/log';
import { sessionKey } from '@voucher-gateway/schema/session';

/**
 * The sessions with open connections. Each has a deadline: its last activity in this process plus the idle time-out.
 */
export interface WatchedSessions extends Disposable {
  /** Calls back once, when the session ends. Disposing the returned value prevents the call. */
  watch(identity: Identity, callback: () => void): Disposable;
  /** Extends the session's deadline after activity. */
  extend(sid: string, ttlMs: number): void;
  /** Ends the session. */
  end(sid: string): void;
  /** Ends all sessions whose tokens were signed with the key `kid`. */
  endOfKey(kid: string): void;
  /** Reads all watched sessions from the store, and ends those that the store no longer has. */
  checkAll(): void;
}

export interface WatchedSessionsOptions {
  keyValue: KeyValue;
  isRevoked(kid: string): boolean;
  clock: Clock;
  log: Log;
  /** Idle time-out of a session, counted from its last request. */
  idleMs: number;
}

interface Watch {
  identity: Identity;
  callbacks: Set<() => void>;
  deadlineMs: number;
}

/** Minimum interval between checks for sessions past their deadline. */
const minCheckIntervalMs = 250;

/**
 * At its deadline a session is read from the store again. Another gateway process may have recorded activity, which
 * extends the session. All sessions share one timer, because separate timers would take a large part of a connection's
 * memory. While the store can't be reached, a connection stays open until the last known deadline of its session.
 */
export function watchSessions({ keyValue, isRevoked, clock, log, idleMs }: WatchedSessionsOptions): WatchedSessions {
  const watches = new Map<string, Watch>();
  const timer = createEarliestTimer(clock, () => checkDue());

  const forget = (watch: Watch) => {
    if (watches.get(watch.identity.sid) === watch) watches.delete(watch.identity.sid);
    if (watches.size === 0) timer.stop();
  };
  const end = (watch: Watch) => {
    forget(watch);
    for (const callback of watch.callbacks) {
      try {
        callback();
      } catch (error) {
        log.error({ error }, 'a connection could not be notified of the end of its session');
      }
    }
  };
  /** Never rejects. */
  const check = async (watch: Watch) => {
    const { sid, kid, expiresAtMs } = watch.identity;
    const left = await keyValue.peek(sessionKey(sid)).catch(() => 'unknown' as const);
    if (watches.get(sid) !== watch) return;
    if (left !== 'unknown') watch.deadlineMs = Math.min(clock.now() + (left?.expiresInMs ?? 0), expiresAtMs);
    if (watch.deadlineMs <= clock.now() || isRevoked(kid)) end(watch);
    else timer.fireBy(watch.deadlineMs);
  };
  const checkDue = () => {
    const now = clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const watch of watches.values()) {
      // When a deadline is set, it is at most `idleMs` after the current time. A later deadline means that the clock
      // was set back.
      const isTooFar = watch.deadlineMs > now + idleMs;
      if (isTooFar) watch.deadlineMs = now + idleMs;
      if (isTooFar || watch.deadlineMs <= now) void check(watch);
      else next = Math.min(next, watch.deadlineMs);
    }
    if (next < Number.POSITIVE_INFINITY) timer.fireBy(Math.max(next, now + minCheckIntervalMs));
  };
  const add = (identity: Identity): Watch => {
    const deadlineMs = Math.min(clock.now() + idleMs, identity.expiresAtMs);
    const watch: Watch = { identity, callbacks: new Set(), deadlineMs };
    watches.set(identity.sid, watch);
    timer.fireBy(deadlineMs);
    return watch;
  };

  return {
    watch(identity, callback) {
      const known = watches.get(identity.sid);
      const watch = known ?? add(identity);
      watch.callbacks.add(callback);
      // The session may have ended after the authentication and before this call. So the session is checked now.
      if (!known) void check(watch);
      return new Watcher(watch, callback, forget);
    },
    extend(sid, ttlMs) {
      const watch = watches.get(sid);
      if (watch) watch.deadlineMs = clock.now() + ttlMs;
    },
    end(sid) {
      const watch = watches.get(sid);
      if (watch) end(watch);
    },
    endOfKey(kid) {
      for (const watch of [...watches.values()]) if (watch.identity.kid === kid) end(watch);
    },
    checkAll() {
      for (const watch of [...watches.values()]) void check(watch);
    },
    [Symbol.dispose]() {
      watches.clear();
      timer.stop();
    },
  };
}

/** Creates a timer that can be moved to an earlier time. */
function createEarliestTimer(clock: Clock, onFire: () => void) {
  let timer: Disposable | null = null;
  let atMs = Number.POSITIVE_INFINITY;
  const stop = () => {
    timer?.[Symbol.dispose]();
    timer = null;
    atMs = Number.POSITIVE_INFINITY;
  };
  return {
    stop,
    /**
     * Makes the timer fire at `byMs` or earlier. Firing too early does no harm, because `onFire` then sets the timer
     * again.
     */
    fireBy(byMs: number) {
      if (atMs <= byMs) return;
      timer?.[Symbol.dispose]();
      atMs = byMs;
      timer = clock.setTimer(byMs - clock.now(), () => {
        stop();
        onFire();
      });
    },
  };
}

/**
 * A callback for the end of a session. There is one per connection, and a class instance takes less memory than
 * closures.
 */
class Watcher implements Disposable {
  readonly #watch: Watch;
  readonly #callback: () => void;
  readonly #forget: (watch: Watch) => void;

  constructor(watch: Watch, callback: () => void, forget: (watch: Watch) => void) {
    this.#watch = watch;
    this.#callback = callback;
    this.#forget = forget;
  }

  [Symbol.dispose](): void {
    this.#watch.callbacks.delete(this.#callback);
    if (this.#watch.callbacks.size === 0) this.#forget(this.#watch);
  }
}
