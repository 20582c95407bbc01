import type { Clock } from '@voucher-gateway/platform/async/clock';
import { createCoalesced } from '@voucher-gateway/platform/async/coalesce';
import { type Database, type Transaction, tryTransactionLock } from '@voucher-gateway/platform/database';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { FindKey } from '@voucher-gateway/platform/identity/token-verifier';
import { createFailureLines } from '@voucher-gateway/platform/process/failure-lines';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { eq, isNull, lt } from 'drizzle-orm';
import { createLocalJWKSet, importJWK, type JSONWebKeySet, type JWK } from 'jose';
import { createKey } from './create-key.ts';
import { signingKey } from './tables.ts';

/** A key is published for this time before it signs, so that every verifier has fetched it by then. */
const publishBeforeMs = 3_600_000;
const checkEveryMs = 60_000;

export interface SigningKeys extends Disposable {
  /** Returns the key that signs now. Throws SERVICE_UNAVAILABLE (retryable) if there is none. */
  current(): { kid: string; privateJwk: JWK };
  /** The public keys, as `/.well-known/jwks.json` has them. */
  readonly jwks: JSONWebKeySet;
  /** Finds a public key for jose's verification. */
  readonly verify: FindKey;
  /** Rotates the keys if one is due, and reads them. Also runs every minute. */
  refresh(): Promise<void>;
  /** Removes a revoked key from memory at once, then reads the keys. Throws the database's errors. */
  drop(kid: string): Promise<void>;
}

export interface SigningKeysOptions {
  database: Database;
  clock: Clock;
  log: Log;
  /** A key is replaced after this time. */
  rotateAfterMs: number;
  /** Longest life of a token. */
  tokenLifeMs: number;
}

type Key = typeof signingKey.$inferSelect;

/**
 * Opens the keys that sign tokens. They are stored in the database, and one process at a time rotates them: the next key
 * is published an hour before it signs, the replaced one until its last token has expired.
 */
export async function createSigningKeys({
  database,
  clock,
  log,
  rotateAfterMs,
  tokenLifeMs,
}: SigningKeysOptions): Promise<SigningKeys> {
  let keys: Key[] = [];
  let verify: FindKey = createLocalJWKSet({ keys: [] });
  let timer: Disposable | undefined;

  /** Reads the keys again under the lock, so that two processes create only one successor. */
  const rotate = async () => {
    const successor = await createKey(database.now());
    await database.transaction(async (tx) => {
      if (!(await tryTransactionLock(tx, 'users:signing-keys'))) return;
      const now = database.now();
      await tx.delete(signingKey).where(lt(signingKey.publishedUntil, new Date(now)));
      const active = await tx.select().from(signingKey).where(isNull(signingKey.publishedUntil));
      const newest = active.toSorted((a, b) => b.signsFrom.getTime() - a.signsFrom.getTime())[0];
      if (!newest) await tx.insert(signingKey).values({ ...successor, signsFrom: new Date(now) });
      else if (newest.signsFrom.getTime() + rotateAfterMs - publishBeforeMs <= now) {
        await tx.insert(signingKey).values({
          ...successor,
          signsFrom: new Date(Math.max(now + publishBeforeMs, newest.signsFrom.getTime() + rotateAfterMs)),
        });
      }
      await retireReplaced(tx, active, now);
    });
  };

  /** Publishes replaced keys until the last token that they may have signed has expired. */
  const retireReplaced = async (tx: Transaction, active: Key[], now: number) => {
    const signing = active
      .filter((key) => key.signsFrom.getTime() <= now)
      .toSorted((a, b) => b.signsFrom.getTime() - a.signsFrom.getTime());
    for (const replaced of signing.slice(1)) {
      const until = (signing[0]?.signsFrom.getTime() ?? now) + tokenLifeMs + checkEveryMs;
      await tx
        .update(signingKey)
        .set({ publishedUntil: new Date(until) })
        .where(eq(signingKey.kid, replaced.kid));
    }
  };

  const useKeys = () => {
    verify = createLocalJWKSet({ keys: keys.map((key) => key.publicJwk) });
  };
  const read = async () => {
    keys = await database.query.select().from(signingKey);
    useKeys();
  };
  // One refresh at a time: a slower one that started before a key was revoked would restore that key.
  const refresh = createCoalesced(async () => {
    await rotate();
    await read();
  });
  const logFailure = createFailureLines(log);
  const scheduleRefresh = () => {
    timer = clock.setTimer(checkEveryMs, () => {
      refresh().catch((error: unknown) => logFailure({ error }, 'the signing keys could not be refreshed'));
      scheduleRefresh();
    });
  };

  await refresh();
  // Another process may hold the lock and be creating the first key.
  for (let attempt = 0; keys.length === 0 && attempt < 50; attempt += 1) await refresh();
  scheduleRefresh();

  return {
    current() {
      const now = database.now();
      const signing = keys
        .filter((key) => key.signsFrom.getTime() <= now && key.publishedUntil === null)
        .toSorted((a, b) => b.signsFrom.getTime() - a.signsFrom.getTime())[0];
      // Possible after a key was revoked, while the database is unavailable.
      if (!signing)
        throw new CodedError<PublicErrorCode>('SERVICE_UNAVAILABLE', 'No key signs tokens at the moment; try again.', {
          retryable: true,
        });
      return { kid: signing.kid, privateJwk: signing.privateJwk };
    },
    get jwks() {
      return { keys: keys.map((key) => key.publicJwk) };
    },
    verify: (header) => verify(header),
    refresh,
    async drop(kid) {
      keys = keys.filter((key) => key.kid !== kid);
      useKeys();
      await refresh();
    },
    [Symbol.dispose]: () => timer?.[Symbol.dispose](),
  };
}

/** Imports a private key for jose. */
export function importPrivate(privateJwk: JWK) {
  return importJWK(privateJwk, 'EdDSA');
}
