import type { Clock } from '@voucher-gateway/platform/clock';
import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';
import type { Identity, TokenVerifier } from '@voucher-gateway/platform/identity';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Log } from '@voucher-gateway/platform/log';
import type { RemoteKeys } from '@voucher-gateway/platform/remote-keys';
import type { Topics } from '@voucher-gateway/platform/topics';
import { followTopic } from '@voucher-gateway/platform/topics/follow';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { sessionKey, sessionSchema } from '@voucher-gateway/schema/session';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import type { GatewayContext } from '../context.ts';

/** Authenticates requests by token and session, and notifies connections when their session ends. */
export interface SessionGate extends AsyncDisposable {
  /**
   * Returns the identity of a token; null without a token. Each call counts as activity of the session.
   *
   * @throws CodedError UNAUTHENTICATED for an invalid token, SESSION_EXPIRED for a session that has ended,
   *   SESSION_STORE_UNAVAILABLE (retryable) while the store can't be reached
   */
  authenticate(authorization: string | null | undefined): Promise<Identity | null>;
  /** As `authenticate`, but returns the error of a token that is refused; `authorization` is null then. */
  admit(authorization: string | null): Promise<Pick<GatewayContext, 'identity' | 'refusal' | 'authorization'>>;
  /** Counts as activity of a session that was authenticated before. Throws as `authenticate`. */
  touch(identity: Identity): Promise<void>;
  /** Calls back once when the session ends: by idle time-out, expiry, sign-out, or revocation of its signing key. */
  onSessionEnd(identity: Identity, callback: () => void): Disposable;
}

export interface SessionGateOptions {
  verify: TokenVerifier;
  keys: Pick<RemoteKeys, 'revoke' | 'isRevoked' | 'refresh'>;
  keyValue: KeyValue;
  topics: Topics;
  clock: Clock;
  log: Log;
  /** A session ends this long after its last request. */
  idleMs: number;
}

/** A session with open connections. */
interface Watch {
  identity: Identity;
  callbacks: Set<() => void>;
  /** When it ends, as far as this process knows. */
  deadlineMs: number;
}

/** Minimum interval between checks for sessions past their deadline. */
const leastBetweenMs = 250;

/**
 * Each process keeps a deadline per session. At the deadline it reads the store, because another process may have seen
 * activity. All sessions share one timer: a timer each would be a large part of a connection's memory. Messages of the
 * topic `session-ended` end sessions at once. While the store can't be reached, connections stay open until the last
 * known deadline.
 */
export async function createSessionGate({
  verify,
  keys,
  keyValue,
  topics,
  clock,
  log,
  idleMs,
}: SessionGateOptions): Promise<SessionGate> {
  const watches = new Map<string, Watch>();
  let timer: Disposable | null = null;
  let timerAtMs = Number.POSITIVE_INFINITY;

  const stopTimer = () => {
    timer?.[Symbol.dispose]();
    timer = null;
    timerAtMs = Number.POSITIVE_INFINITY;
  };
  const forget = (watch: Watch) => {
    if (watches.get(watch.identity.sid) === watch) watches.delete(watch.identity.sid);
    if (watches.size === 0) stopTimer();
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
  /** Sets the timer to fire at or before this time. Firing early is harmless. */
  const fireBy = (atMs: number) => {
    if (timerAtMs <= atMs) return;
    timer?.[Symbol.dispose]();
    timerAtMs = atMs;
    timer = clock.setTimer(atMs - clock.now(), checkDue);
  };
  const checkDue = () => {
    stopTimer();
    const now = clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const watch of watches.values()) {
      if (watch.deadlineMs <= now) void check(watch);
      else next = Math.min(next, watch.deadlineMs);
    }
    if (next < Number.POSITIVE_INFINITY) fireBy(Math.max(next, now + leastBetweenMs));
  };
  /** Never rejects. */
  const check = async (watch: Watch) => {
    const { sid, kid, expiresAtMs } = watch.identity;
    const left = await keyValue.peek(sessionKey(sid)).catch(() => 'unknown' as const);
    if (watches.get(sid) !== watch) return;
    if (left !== 'unknown') watch.deadlineMs = Math.min(clock.now() + (left?.expiresInMs ?? 0), expiresAtMs);
    if (watch.deadlineMs <= clock.now() || keys.isRevoked(kid)) end(watch);
    else fireBy(watch.deadlineMs);
  };

  const ended = await followTopic(topics, {
    topic: schemaTopics.sessionEnded,
    log,
    // Revocations and ends before this point may have been missed.
    onStart() {
      keys.refresh();
      for (const watch of [...watches.values()]) void check(watch);
    },
    onMessage: ({ value }) => {
      if ('sid' in value) {
        const watch = watches.get(value.sid);
        if (watch) end(watch);
        return;
      }
      keys.revoke(value.kid);
      log.info({ kid: value.kid }, 'a signing key was revoked');
      for (const watch of [...watches.values()]) if (watch.identity.kid === value.kid) end(watch);
    },
  });

  const touch = async (identity: Identity) => {
    const ttlMs = Math.min(idleMs, identity.expiresAtMs - clock.now());
    const session = ttlMs > 0 ? await touchSession(keyValue, identity.sid, ttlMs) : null;
    if (session === null)
      throw new CodedError<PublicErrorCode>('SESSION_EXPIRED', 'The session has ended; sign in again.');
    if (keys.isRevoked(identity.kid) || !isSessionOf(session, identity))
      throw new CodedError<PublicErrorCode>('UNAUTHENTICATED', 'The token is not valid any more; sign in again.');
    const watch = watches.get(identity.sid);
    if (watch) watch.deadlineMs = clock.now() + ttlMs;
  };

  const authenticate = async (authorization: string | null | undefined) => {
    if ((authorization ?? '').trim() === '') return null;
    const identity = await verify(authorization ?? '');
    await touch(identity);
    return identity;
  };

  return {
    authenticate,
    async admit(authorization) {
      try {
        return { identity: await authenticate(authorization), refusal: null, authorization };
      } catch (error) {
        if (!isCodedError(error)) throw error;
        return { identity: null, refusal: error, authorization: null };
      }
    },
    touch,
    onSessionEnd(identity, callback) {
      const known = watches.get(identity.sid);
      const watch = known ?? {
        identity,
        callbacks: new Set(),
        deadlineMs: Math.min(clock.now() + idleMs, identity.expiresAtMs),
      };
      watch.callbacks.add(callback);
      if (!known) {
        watches.set(identity.sid, watch);
        fireBy(watch.deadlineMs);
        // The session may have ended since it was authenticated.
        void check(watch);
      }
      return new Watcher(watch, callback, forget);
    },
    async [Symbol.asyncDispose]() {
      watches.clear();
      stopTimer();
      await ended[Symbol.asyncDispose]();
    },
  };
}

/** A callback for the end of a session. A class, because there is one per connection. */
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

/** Whether a stored session belongs to the token: it has the same user and signing key. */
function isSessionOf(stored: string, { userId, kid }: Identity): boolean {
  try {
    const session = sessionSchema.parse(JSON.parse(stored));
    return session.userId === userId && session.kid === kid;
  } catch {
    return false;
  }
}

async function touchSession(keyValue: KeyValue, sid: string, ttlMs: number): Promise<string | null> {
  try {
    return await keyValue.touch(sessionKey(sid), { ttlMs });
  } catch (error) {
    throw new CodedError<PublicErrorCode>(
      'SESSION_STORE_UNAVAILABLE',
      'Sessions can not be checked at the moment; try again.',
      { cause: error, retryable: true },
    );
  }
}
