import type { KeyObject } from 'node:crypto';
import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import type { Clock } from '../async/clock.ts';
import { createCoalesced } from '../async/coalesce.ts';
import { CodedError } from '../errors.ts';
import { createFailureLines } from '../process/failure-lines.ts';
import type { Log } from '../process/log.ts';
import { openPrivateKey } from './private-key.ts';
import { newestFirst, refreshEveryMs, rotateSigningKeys, type SigningKeyRotation } from './rotate-signing-keys.ts';
import { type SigningKeyRow, sealedKeys } from './signing-key-table.ts';
import type { FindKey } from './token-verifier.ts';

export interface SigningKey {
  kid: string;
  privateKey: KeyObject;
}

export interface SigningKeys extends Disposable {
  /** Returns the key to sign with now. Throws SERVICE_UNAVAILABLE (retryable) if there is none. */
  current(): SigningKey;
  /** Returns the current key, followed by the replaced keys that are still published, newest first. */
  signing(): readonly SigningKey[];
  /** The public keys, as a JWKS. */
  readonly jwks: JSONWebKeySet;
  /** Finds a public key for jose's verification. */
  readonly verify: FindKey;
  /** Creates a new key if one is due, and reads the keys. This also happens every minute. */
  refresh(): Promise<void>;
  /** Removes a revoked key from memory immediately, then reads the keys. Throws the database's errors. */
  drop(kid: string): Promise<void>;
}

export interface SigningKeysOptions extends SigningKeyRotation {
  clock: Clock;
  log: Log;
}

/** A row with its decrypted key. `privateKey` is null if decryption failed. */
type Key = SigningKeyRow & { privateKey: KeyObject | null };

/**
 * Opens the signing keys of a service, which are stored in its database. One process at a time rotates the keys. A new
 * key is published an hour before its first use. A replaced key stays published until its signatures have expired. A
 * key that can't be decrypted stays published, but is not used for signing. If a key was altered in the database, a new
 * key replaces it immediately.
 */
export async function createSigningKeys({ clock, log, ...rotation }: SigningKeysOptions): Promise<SigningKeys> {
  const { database, table, secrets } = rotation;
  const { purpose } = sealedKeys(table);
  let keys: Key[] = [];
  let verify: FindKey = createLocalJWKSet({ keys: [] });
  let timer: Disposable | undefined;

  const signingAt = (now: number) =>
    keys.flatMap(({ privateKey, ...key }) => {
      const isPublished = key.publishedUntil === null || key.publishedUntil.getTime() > now;
      return privateKey && isPublished && key.signsFrom.getTime() <= now ? { ...key, privateKey } : [];
    });
  const useKeys = () => {
    verify = createLocalJWKSet({ keys: keys.map((key) => key.publicJwk) });
  };
  const read = async () => {
    const rows = await database.query.select().from(table);
    keys = newestFirst(rows.map(openOrKeep));
    useKeys();
  };
  /**
   * Decrypts a row's key. If decryption fails, but this process has decrypted the same key before, the key stays in
   * use. Decryption fails, for example, after another process has encrypted the key with a newer SECRETS_KEY, which
   * this process does not have.
   */
  const openOrKeep = (row: SigningKeyRow): Key => {
    const { privateKey, error } = openPrivateKey(row, { secrets, purpose });
    if (error) log.error({ error, kid: row.kid, purpose }, 'a signing key can not be decrypted');
    return { ...row, privateKey: privateKey ?? keys.find(({ kid }) => kid === row.kid)?.privateKey ?? null };
  };
  // One refresh runs at a time. Otherwise a slow refresh that started before a key was revoked could restore the key.
  const refresh = createCoalesced(async () => {
    await rotateSigningKeys(rotation);
    await read();
  });
  const logFailure = createFailureLines(log);
  const scheduleRefresh = () => {
    timer = clock.setTimer(refreshEveryMs, () => {
      refresh().catch((error: unknown) => logFailure({ error }, 'the signing keys could not be refreshed'));
      scheduleRefresh();
    });
  };

  await refresh();
  // If another process holds the lock and is creating the first key, this process waits for that key.
  for (let attempt = 0; signingAt(database.now()).length === 0 && attempt < 50; attempt += 1) await refresh();
  scheduleRefresh();

  return {
    current() {
      const signing = signingAt(database.now()).find((key) => key.publishedUntil === null);
      // There is no key if the last key was revoked while the database was down, because no new key could be stored.
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
