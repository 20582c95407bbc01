import { randomUUID } from 'node:crypto';
import type { Clock } from '@voucher-gateway/platform/clock';
import { type Database, type Transaction, tryTransactionLock } from '@voucher-gateway/platform/database';
import type { Log } from '@voucher-gateway/platform/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { and, eq, isNull, lt, ne, sql } from 'drizzle-orm';
import {
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JSONWebKeySet,
  type JWK,
  type JWTVerifyGetKey,
} from 'jose';
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
  readonly verify: JWTVerifyGetKey;
  /** Reads the keys, and rotates them where it is time. Runs each minute by itself. */
  refresh(): Promise<void>;
  /** Withdraws a key at once: its tokens end everywhere, and another key signs. False when there is no such key. */
  revoke(kid: string): Promise<boolean>;
}

export interface SigningKeysOptions {
  database: Database;
  topics: Topics;
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
  topics,
  clock,
  log,
  rotateAfterMs,
  tokenLifeMs,
}: SigningKeysOptions): Promise<SigningKeys> {
  let keys: Key[] = [];
  let verify: JWTVerifyGetKey = createLocalJWKSet({ keys: [] });
  let timer: Disposable | undefined;

  const newKey = async (signsFromMs: number): Promise<Key> => {
    const { privateKey, publicKey } = await generateKeyPair('Ed25519', { extractable: true });
    const kid = randomUUID();
    return {
      kid,
      privateJwk: await exportJWK(privateKey),
      publicJwk: { ...(await exportJWK(publicKey)), kid, alg: 'EdDSA', use: 'sig' },
      createdAt: new Date(database.now()),
      signsFrom: new Date(signsFromMs),
      publishedUntil: null,
    };
  };

  /** Decides by what stands in the database, under the lock: an age that two processes saw makes one key. */
  const rotate = async () => {
    const spare = await newKey(0);
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

  const read = async () => {
    keys = await database.query.select().from(signingKey);
    verify = createLocalJWKSet({ keys: keys.map((key) => key.publicJwk) });
  };
  const refresh = async () => {
    await rotate();
    await read();
  };
  const refreshLater = () => {
    timer = clock.setTimer(checkEveryMs, () => {
      refresh().catch((error: unknown) => log.error({ error }, 'the signing keys could not be refreshed'));
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
      if (!signing) throw new Error('no key signs');
      return { kid: signing.kid, privateJwk: signing.privateJwk };
    },
    get jwks() {
      return { keys: keys.map((key) => key.publicJwk) };
    },
    verify: (header, token) => verify(header, token),
    refresh,
    async revoke(kid) {
      const successor = await newKey(database.now());
      const removed = await database.transaction(async (tx) => {
        const rows = await tx.delete(signingKey).where(eq(signingKey.kid, kid)).returning({ kid: signingKey.kid });
        if (rows.length === 0) return false;
        // What was to sign later stays as it is; somebody must sign now.
        const now = new Date(database.now());
        const others = await tx
          .select({ kid: signingKey.kid })
          .from(signingKey)
          .where(
            and(
              isNull(signingKey.publishedUntil),
              ne(signingKey.kid, kid),
              sql`${signingKey.signsFrom} <= ${now.toISOString()}`,
            ),
          );
        if (others.length === 0) await tx.insert(signingKey).values(successor);
        await topics.publish(tx, schemaTopics.sessionEnded, { kid });
        return true;
      });
      await read();
      return removed;
    },
    [Symbol.dispose]: () => timer?.[Symbol.dispose](),
  };
}

/** The private key, for jose. */
export function importPrivate(privateJwk: JWK) {
  return importJWK(privateJwk, 'EdDSA');
}
