import { randomUUID } from 'node:crypto';
import type { Database, Transaction } from '@voucher-gateway/platform/database';
import { codedCause, type PlatformErrorCode } from '@voucher-gateway/platform/errors';
import type { SigningKeys } from '@voucher-gateway/platform/identity/signing-keys';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Topics } from '@voucher-gateway/platform/topics';
import { type Session, sessionKey } from '@voucher-gateway/schema/session';
import { SignJWT } from 'jose';
import type { UserConfig } from './config.ts';
import { endSessions } from './end-sessions.ts';
import { requireSessionStore } from './require-session-store.ts';
import { session as sessionTable } from './tables.ts';

export interface Sessions {
  /**
   * Begins a session, which ends `sessionIdleSeconds` after its last request.
   *
   * @param addUser stores a new user in the same transaction as the session. It is called again if the response to
   *   COMMIT is lost, and must change nothing if the user is already stored
   * @throws CodedError SESSION_STORE_UNAVAILABLE (retryable), with nothing stored; the errors of `addUser`
   */
  begin(
    user: { id: string; phoneNumber: string },
    addUser?: (tx: Transaction) => Promise<void>,
  ): Promise<{ token: string; expiresAt: Date; sessionIdleSeconds: number }>;
  /** Ends a session. Returns false if the session had already ended. Throws SESSION_STORE_UNAVAILABLE (retryable). */
  end(identity: Identity): Promise<boolean>;
}

export interface SessionsOptions {
  config: UserConfig;
  database: Database;
  topics: Topics;
  keyValue: KeyValue;
  keys: SigningKeys;
}

export function createSessions(options: SessionsOptions): Sessions {
  const { config, database, topics, keyValue, keys } = options;
  const storeWithUser = async (row: typeof sessionTable.$inferInsert, addUser: (tx: Transaction) => Promise<void>) => {
    const store = () =>
      database.transaction(async (tx) => {
        await addUser(tx);
        await tx.insert(sessionTable).values(row).onConflictDoNothing({ target: sessionTable.sid });
      });
    try {
      await store();
    } catch (error) {
      if (codedCause(error)?.code !== ('COMMIT_UNKNOWN' satisfies PlatformErrorCode)) throw error;
      // The COMMIT may have succeeded. The service retries by itself, because the client's retry could fail with
      // USERNAME_TAKEN.
      await store();
    }
  };
  return {
    async begin({ id, phoneNumber }, addUser) {
      const { kid, privateKey } = keys.current();
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
        .sign(privateKey);
      const session: Session = { userId: id, kid };
      // The session is stored in the key-value store before its row is inserted. Otherwise `endUserSessions` could find
      // the row, but not yet the session.
      await requireSessionStore(() =>
        keyValue.set(sessionKey(sid), JSON.stringify(session), {
          ttlMs: Math.min(config.SESSION_IDLE, config.SESSION_MAX),
        }),
      );
      try {
        const row = { sid, userId: id, expiresAt: new Date(expiresAt * 1_000) };
        if (addUser) await storeWithUser(row, addUser);
        else await database.query.insert(sessionTable).values(row);
      } catch (error) {
        // The session is deleted, because without its row it could not be ended. A failed deletion does no harm,
        // because nobody has the token.
        await keyValue.delete(sessionKey(sid)).catch(() => {});
        throw error;
      }
      return {
        token,
        expiresAt: new Date(expiresAt * 1_000),
        sessionIdleSeconds: Math.floor(config.SESSION_IDLE / 1_000),
      };
    },
    end: async ({ sid }) => (await endSessions({ database, topics, keyValue }, [sid])) > 0,
  };
}
