import { randomUUID } from 'node:crypto';
import type { Database } from '@voucher-gateway/platform/database';
import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Topics } from '@voucher-gateway/platform/topics';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { type Session, sessionKey } from '@voucher-gateway/schema/session';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { SignJWT } from 'jose';
import type { UserConfig } from './config.ts';
import { importPrivate, type SigningKeys } from './signing-keys.ts';

export interface Sessions {
  /**
   * Begins a session.
   * @throws CodedError SESSION_STORE_UNAVAILABLE (retryable): nothing has begun
   */
  begin(user: { id: string; phoneNumber: string }): Promise<{ token: string; expiresAt: Date }>;
  /** Ends a session everywhere; false when it had ended. Throws SESSION_STORE_UNAVAILABLE (retryable). */
  end(identity: Identity): Promise<boolean>;
}

export interface SessionsOptions {
  config: UserConfig;
  database: Database;
  topics: Topics;
  keyValue: KeyValue;
  keys: SigningKeys;
}

export function createSessions({ config, database, topics, keyValue, keys }: SessionsOptions): Sessions {
  return {
    async begin({ id, phoneNumber }) {
      const { kid, privateJwk } = keys.current();
      const sid = randomUUID();
      const issuedAt = Math.floor(database.now() / 1_000);
      const expiresAt = issuedAt + Math.floor(config.SESSION_MAX / 1_000);
      const token = await new SignJWT({ sid, phone_number: phoneNumber })
        .setProtectedHeader({ alg: 'EdDSA', kid, typ: 'JWT' })
        .setIssuer(config.JWT_ISSUER)
        .setAudience(config.JWT_AUDIENCE)
        .setSubject(id)
        .setIssuedAt(issuedAt)
        .setExpirationTime(expiresAt)
        .sign(await importPrivate(privateJwk));
      const session: Session = { userId: id, kid };
      await requireSessionStore(() =>
        keyValue.set(sessionKey(sid), JSON.stringify(session), {
          ttlMs: Math.min(config.SESSION_IDLE, config.SESSION_MAX),
        }),
      );
      return { token, expiresAt: new Date(expiresAt * 1_000) };
    },
    async end({ sid }) {
      // The store first: a session that was announced as ended must not live on in it.
      const ended = await requireSessionStore(() => keyValue.delete(sessionKey(sid)));
      await database.transaction((tx) => topics.publish(tx, schemaTopics.sessionEnded, { sid }));
      return ended;
    },
  };
}

/** Answers an outage of the store, and any failure that has no code, as SESSION_STORE_UNAVAILABLE (retryable). */
export async function requireSessionStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isCodedError(error) && error.code !== 'KEY_VALUE_UNAVAILABLE') throw error;
    throw new CodedError<PublicErrorCode>(
      'SESSION_STORE_UNAVAILABLE',
      'Sessions are not available at the moment; try again.',
      { cause: error, retryable: true },
    );
  }
}
