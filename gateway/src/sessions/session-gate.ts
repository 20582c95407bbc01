import type { Clock } from '@voucher-gateway/platform/async/clock';
import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';
import type { RemoteKeys } from '@voucher-gateway/platform/identity/remote-keys';
import type { Identity, TokenVerifier } from '@voucher-gateway/platform/identity/token-verifier';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import { followTopic } from '@voucher-gateway/platform/topics/follow';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { sessionKey, sessionSchema } from '@voucher-gateway/schema/session';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import type { GatewayContext } from '../context.ts';
import { watchSessions } from './watched-sessions.ts';

/** Authenticates requests by token and session, and notifies connections when their session ends. */
export interface SessionGate extends AsyncDisposable {
  /**
   * Returns the identity of a token; null without a token. Each call counts as activity of the session.
   *
   * @throws CodedError UNAUTHENTICATED for an invalid token, SESSION_EXPIRED for a session that has ended,
   *   SESSION_STORE_UNAVAILABLE (retryable) while the store can't be reached
   */
  authenticate(authorization: string | null | undefined): Promise<Identity | null>;
  /**
   * Like `authenticate`, but does not throw for a refused token. The error is returned as `refusal`, and
   * `authorization` is null.
   */
  admit(authorization: string | null): Promise<Pick<GatewayContext, 'identity' | 'refusal' | 'authorization'>>;
  /** Reports activity of an authenticated session. Throws the errors of `authenticate`. */
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
  /** Idle time-out of a session, counted from its last request. */
  idleMs: number;
}

/**
 * Creates the gate that checks sessions in the session store. Every gateway process records the activity of sessions in
 * this store. Messages of the topic `session-ended` end sessions immediately. If such a message is lost, the
 * connections of its session are closed at the session's deadline (`watchSessions`).
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
  await using releases = new AsyncDisposableStack();
  const { isRevoked } = keys;
  const sessions = releases.use(watchSessions({ keyValue, isRevoked, clock, log, idleMs }));
  releases.use(
    await followTopic(topics, {
      topic: schemaTopics.sessionEnded,
      log,
      // Messages about revoked keys and ended sessions may have been missed while this process did not read the topic.
      // So the keys and the sessions are read again.
      onStart() {
        keys.refresh();
        sessions.checkAll();
      },
      onMessage({ value }) {
        if ('sid' in value) return sessions.end(value.sid);
        keys.revoke(value.kid);
        log.info({ kid: value.kid }, 'a signing key was revoked');
        sessions.endOfKey(value.kid);
      },
    }),
  );
  const owned = releases.move();

  const touch = async (identity: Identity) => {
    const ttlMs = Math.min(idleMs, identity.expiresAtMs - clock.now());
    const session = ttlMs > 0 ? await touchSession(keyValue, identity.sid, ttlMs) : null;
    if (session === null)
      throw new CodedError<PublicErrorCode>('SESSION_EXPIRED', 'The session has ended; sign in again.');
    if (keys.isRevoked(identity.kid) || !isSessionOf(session, identity))
      throw new CodedError<PublicErrorCode>('UNAUTHENTICATED', 'The token is not valid any more; sign in again.');
    sessions.extend(identity.sid, ttlMs);
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
    onSessionEnd: sessions.watch,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Whether a stored session belongs to the token: the user and the signing key must be equal. */
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
