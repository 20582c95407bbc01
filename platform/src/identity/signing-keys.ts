import type { KeyObject } from 'node:crypto';
import { eq, isNull, lt } from 'drizzle-orm';
import { getTableConfig } from 'drizzle-orm/pg-core';
import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import type { Clock } from '../async/clock.ts';
import { createCoalesced } from '../async/coalesce.ts';
import { type Database, type Transaction, tryTransactionLock } from '../database.ts';
import { CodedError } from '../errors.ts';
import { createFailureLines } from '../process/failure-lines.ts';
import type { Log } from '../process/log.ts';
import type { SecretBox } from '../secrets/secret-box.ts';
import { createSigningKey } from './create-signing-key.ts';
import { openPrivateKey } from './private-key.ts';
import { type SigningKeyRow, type SigningKeyTable, sealedKeys } from './signing-key-table.ts';
import type { FindKey } from './token-verifier.ts';

/** A key is published for this time before it signs, so that every verifier has fetched it by then. */
const publishBeforeMs = 3_600_000;
const checkEveryMs = 60_000;

/** A private key of Ed25519. */
export interface SigningKey {
  kid: string;
  privateKey: KeyObject;
}

export interface SigningKeys extends Disposable {
  /** Returns the key that signs now. Throws SERVICE_UNAVAILABLE (retryable) if there is none. */
  current(): SigningKey;
  /** The current key, and after it the replaced ones that are still published, newest first. */
  signing(): readonly SigningKey[];
  /** The public keys, as a JWKS. */
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
  /** The context's table. */
  table: SigningKeyTable;
  /** Encrypts the private keys. */
  secrets: SecretBox;
  clock: Clock;
  log: Log;
  /** A key is replaced after this time. */
  rotateAfterMs: number;
  /** How long a replaced key is published: the longest life of what it has signed, in milliseconds. */
  publishAfterMs: number;
}

/** `privateKey`: null if it can't be decrypted. */
type Key = SigningKeyRow & { privateKey: KeyObject | null };

/**
 * Opens the signing keys of a context. They are stored in its database, and one process at a time rotates them: the next
 * key is published an hour before it signs, the replaced one for some time after. A key that can't be decrypted is published
 * and does not sign; if it was altered, another one replaces it at once.
 */
export async function createSigningKeys({
  database,
  table,
  secrets,
  clock,
  log,
  rotateAfterMs,
  publishAfterMs,
}: SigningKeysOptions): Promise<SigningKeys> {
  const lock = `${getTableConfig(table).schema}:signing-keys`;
  const { purpose } = sealedKeys(table);
  let keys: Key[] = [];
  let verify: FindKey = createLocalJWKSet({ keys: [] });
  let timer: Disposable | undefined;

  /** Reads the keys again under the lock, so that two processes create only one successor. */
  const rotate = async () => {
    const successor = await createSigningKey({ table, secrets, nowMs: database.now() });
    await database.transaction(async (tx) => {
      if (!(await tryTransactionLock(tx, lock))) return;
      const now = database.now();
      await tx.delete(table).where(lt(table.publishedUntil, new Date(now)));
      const active = await tx.select().from(table).where(isNull(table.publishedUntil));
      const usable = active
        .filter((row) => open(row).error?.code !== 'SECRET_ALTERED')
        .toSorted((a, b) => b.signsFrom.getTime() - a.signsFrom.getTime());
      const [newest] = usable;
      if (!newest || usable.every(({ signsFrom }) => signsFrom.getTime() > now))
        await tx.insert(table).values({ ...successor, signsFrom: new Date(now) });
      else if (newest.signsFrom.getTime() + rotateAfterMs - publishBeforeMs <= now) {
        await tx.insert(table).values({
          ...successor,
          signsFrom: new Date(Math.max(now + publishBeforeMs, newest.signsFrom.getTime() + rotateAfterMs)),
        });
      }
      await retireReplaced(tx, active, now);
    });
  };

  /** Publishes replaced keys for as long as what they have signed is of use. */
  const retireReplaced = async (tx: Transaction, active: SigningKeyRow[], now: number) => {
    const signing = active
      .filter((key) => key.signsFrom.getTime() <= now)
      .toSorted((a, b) => b.signsFrom.getTime() - a.signsFrom.getTime());
    for (const replaced of signing.slice(1)) {
      const until = (signing[0]?.signsFrom.getTime() ?? now) + publishAfterMs + checkEveryMs;
      await tx
        .update(table)
        .set({ publishedUntil: new Date(until) })
        .where(eq(table.kid, replaced.kid));
    }
  };

  const signingAt = (now: number) =>
    keys.flatMap(({ privateKey, ...key }) => {
      const isPublished = key.publishedUntil === null || key.publishedUntil.getTime() > now;
      return privateKey && isPublished && key.signsFrom.getTime() <= now ? { ...key, privateKey } : [];
    });
  const useKeys = () => {
    verify = createLocalJWKSet({ keys: keys.map((key) => key.publicJwk) });
  };
  const open = (row: SigningKeyRow) => openPrivateKey(row, { secrets, purpose });
  const read = async () => {
    const rows = await database.query.select().from(table);
    // Newest first.
    keys = rows.map(openOrKeep).toSorted((a, b) => b.signsFrom.getTime() - a.signsFrom.getTime());
    useKeys();
  };
  /** What was decrypted before stays in use: another process may have encrypted it with a newer key since. */
  const openOrKeep = (row: SigningKeyRow): Key => {
    const { privateKey, error } = open(row);
    if (error) log.error({ error, kid: row.kid, purpose }, 'a signing key can not be decrypted');
    return { ...row, privateKey: privateKey ?? keys.find(({ kid }) => kid === row.kid)?.privateKey ?? null };
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
  for (let attempt = 0; signingAt(database.now()).length === 0 && attempt < 50; attempt += 1) await refresh();
  scheduleRefresh();

  return {
    current() {
      const signing = signingAt(database.now()).find((key) => key.publishedUntil === null);
      // Possible after a key was revoked, while the database is unavailable.
      if (!signing)
        throw new CodedError('SERVICE_UNAVAILABLE', 'No key signs at the moment; try again.', { retryable: true });
      return signing;
    },
    signing: () => signingAt(database.now()),
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
