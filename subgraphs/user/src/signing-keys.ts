import type { Clock } from '@voucher-gateway/platform/clock';
import { createCoalesced } from '@voucher-gateway/platform/coalesced';
import { type Database, type Transaction, tryTransactionLock } from '@voucher-gateway/platform/database';
import { CodedError } from '@voucher-gateway/platform/errors';
import { createFailureLines } from '@voucher-gateway/platform/failure-lines';
import type { FindKey } from '@voucher-gateway/platform/identity';
import type { Log } from '@voucher-gateway/platform/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { eq, isNull, lt } from 'drizzle-orm';
import { createLocalJWKSet, importJWK, type JSONWebKeySet, type JWK } from 'jose';
import { createKey } from './create-key.ts';
import { signingKey } from './tables.ts';

/** A key is published this long before it signs, so that every verifier has fetched it by then. */
const publishAheadMs = 3_600_000;
const checkEveryMs = 60_000;

export interface SigningKeys extends Disposable {
  /** The key that signs now. */
  current(): { kid: string; privateJwk: JWK };
  /** The public keys, as `/.well-known/jwks.json` gives them. */
  readonly jwks: JSONWebKeySet;
  /** The same, for jose's verification. */
  readonly verify: FindKey;
  /** Reads the keys, and rotates them where it is time. Runs each minute by itself. */
  refresh(): Promise<void>;
  /** Forgets a key that was revoked, at once, and reads the keys. Throws as the database does. */
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
 * The keys that sign tokens, kept in the database. One process rotates them at a time: the next key is
 * published an hour before it signs; the one it replaces stays published until its last token is dead.
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

  /** Decides by what stands in the database, under the lock: an age that two processes saw makes one key. */
  const rotate = async () => {
    const spare = await createKey(database.now());
    await database.transaction(async (tx) => {
      if (!(await tryTransactionLock(tx, 'users:signing-keys'))) return;
      const now = database.now();
      await tx.delete(signingKey).where(lt(signingKey.publishedUntil, new Date(now)));
      const standing = await tx.select().from(signingKey).where(isNull(signingKey.publishedUntil));
      const newest = standing.toSorted((a, b) => b.signsFrom.getTime() - a.signsFrom.getTime())[0];
      if (!newest) await tx.insert(signingKey).values({ ...spare, signsFrom: new Date(now) });
      else if (newest.signsFrom.getTime() + rotateAfterMs - publishAheadMs <= now) {
        await tx.insert(signingKey).values({
          ...spare,
          signsFrom: new Date(Math.max(now + publishAheadMs, newest.signsFrom.getTime() + rotateAfterMs)),
        });
      }
      await retire(tx, standing, now);
    });
  };

  /** A key that another has replaced is published until the last token it can have signed is dead. */
  const retire = async (tx: Transaction, standing: Key[], now: number) => {
    const signing = standing
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
  // One at a time: a slower read that began before a key was revoked must not bring it back.
  const refresh = createCoalesced(async () => {
    await rotate();
    await read();
  });
  const logFailure = createFailureLines(log);
  const refreshLater = () => {
    timer = clock.setTimer(checkEveryMs, () => {
      refresh().catch((error: unknown) => logFailure({ error }, 'the signing keys could not be refreshed'));
      refreshLater();
    });
  };

  await refresh();
  // Another process may hold the lock just now and be making the first key.
  for (let attempt = 0; keys.length === 0 && attempt < 50; attempt += 1) await refresh();
  refreshLater();

  return {
    current() {
      const now = database.now();
      const signing = keys
        .filter((key) => key.signsFrom.getTime() <= now && key.publishedUntil === null)
        .toSorted((a, b) => b.signsFrom.getTime() - a.signsFrom.getTime())[0];
      // For a moment after a key was revoked, while the database is away.
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

/** The private key, for jose. */
export function importPrivate(privateJwk: JWK) {
  return importJWK(privateJwk, 'EdDSA');
}
