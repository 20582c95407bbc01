import type { Clock } from '@voucher-gateway/platform/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity, TokenVerifier } from '@voucher-gateway/platform/identity';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Topics } from '@voucher-gateway/platform/topics';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { sessionKey } from '@voucher-gateway/schema/session';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';

/** Lets requests in by token and session, and tells sockets when theirs has ended. */
export interface SessionGate extends AsyncDisposable {
  /**
   * Who asks; null without a token. Each call is the session's activity.
   * @throws CodedError UNAUTHENTICATED for a token that is not valid, SESSION_EXPIRED for a session that
   *   has ended, SESSION_STORE_UNAVAILABLE (retryable) while the store is away
   */
  authenticate(authorization: string | null | undefined): Promise<Identity | null>;
  /** The activity of one who was let in before. Throws as `authenticate`. */
  touch(identity: Identity): Promise<void>;
  /** Calls back once when the session ends: idle, too old, signed out, or its key revoked. */
  onSessionEnd(identity: Identity, callback: () => void): Disposable;
}

export interface SessionGateOptions {
  verify: TokenVerifier;
  keyValue: KeyValue;
  topics: Topics;
  clock: Clock;
  /** A session ends this long after its last request. */
  idleMs: number;
}

/** A session that sockets hang on. */
interface Watch {
  identity: Identity;
  callbacks: Set<() => void>;
  /** When it ends as far as this process knows. */
  deadlineMs: number;
  timer?: Disposable;
}

/**
 * Each process keeps a timer a session and asks the store when it fires: another process may have seen
 * activity. `session-ended` ends sessions at once. While the store is away, sockets live to the last
 * deadline that is known.
 */
export async function createSessionGate({
  verify,
  keyValue,
  topics,
  clock,
  idleMs,
}: SessionGateOptions): Promise<SessionGate> {
  const watches = new Map<string, Watch>();
  const revokedKeys = new Set<string>();

  const end = (watch: Watch) => {
    watches.delete(watch.identity.sid);
    watch.timer?.[Symbol.dispose]();
    for (const callback of watch.callbacks) callback();
  };
  const arm = (watch: Watch) => {
    watch.timer?.[Symbol.dispose]();
    watch.timer = clock.setTimer(watch.deadlineMs - clock.now(), () => void ask(watch));
  };
  const ask = async (watch: Watch) => {
    const left = await keyValue.peek(sessionKey(watch.identity.sid)).catch(() => 'unknown' as const);
    if (watches.get(watch.identity.sid) !== watch) return;
    if (left !== 'unknown')
      watch.deadlineMs = Math.min(clock.now() + (left?.expiresInMs ?? 0), watch.identity.expiresAtMs);
    if (watch.deadlineMs <= clock.now()) end(watch);
    else arm(watch);
  };

  const ended = await topics.tail({
    topic: schemaTopics.sessionEnded,
    from: 'now',
    onMessage: ({ value }) => {
      if ('kid' in value) revokedKeys.add(value.kid);
      for (const watch of [...watches.values()]) {
        if ('kid' in value ? watch.identity.kid === value.kid : watch.identity.sid === value.sid) end(watch);
      }
    },
  });

  const touch = async (identity: Identity) => {
    if (revokedKeys.has(identity.kid))
      throw new CodedError<PublicErrorCode>('UNAUTHENTICATED', 'The token is not valid any more; sign in again.');
    const ttlMs = Math.min(idleMs, identity.expiresAtMs - clock.now());
    const session = ttlMs > 0 ? await touched(keyValue, identity.sid, ttlMs) : null;
    if (session === null)
      throw new CodedError<PublicErrorCode>('SESSION_EXPIRED', 'The session has ended; sign in again.');
    const watch = watches.get(identity.sid);
    if (watch) watch.deadlineMs = clock.now() + ttlMs;
  };

  return {
    async authenticate(authorization) {
      if ((authorization ?? '').trim() === '') return null;
      const identity = await verify(authorization ?? '');
      await touch(identity);
      return identity;
    },
    touch,
    onSessionEnd(identity, callback) {
      const watch = watches.get(identity.sid) ?? {
        identity,
        callbacks: new Set(),
        deadlineMs: Math.min(clock.now() + idleMs, identity.expiresAtMs),
      };
      watch.callbacks.add(callback);
      if (!watches.has(identity.sid)) {
        watches.set(identity.sid, watch);
        arm(watch);
        // It may have ended between the request that let it in and now.
        void ask(watch);
      }
      return {
        [Symbol.dispose]() {
          watch.callbacks.delete(callback);
          if (watch.callbacks.size > 0 || watches.get(identity.sid) !== watch) return;
          watches.delete(identity.sid);
          watch.timer?.[Symbol.dispose]();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const watch of watches.values()) watch.timer?.[Symbol.dispose]();
      watches.clear();
      await ended[Symbol.asyncDispose]();
    },
  };
}

async function touched(keyValue: KeyValue, sid: string, ttlMs: number): Promise<string | null> {
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
