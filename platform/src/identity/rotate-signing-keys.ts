import { eq, isNull, lt } from 'drizzle-orm';
import { getTableConfig } from 'drizzle-orm/pg-core';
import { type Database, type Transaction, tryTransactionLock } from '../database.ts';
import type { SecretBox } from '../secrets/secret-box.ts';
import { createSigningKey } from './create-signing-key.ts';
import { openPrivateKey } from './private-key.ts';
import { type SigningKeyRow, type SigningKeyTable, sealedKeys } from './signing-key-table.ts';

/** A key is published for this time before it is used, so that every verifier has fetched it by then. */
const publishBeforeMs = 3_600_000;
/** Interval at which each process reads the keys, and creates a new key if one is due. */
export const refreshEveryMs = 60_000;

export interface SigningKeyRotation {
  database: Database;
  /** The service's table of signing keys. */
  table: SigningKeyTable;
  /** Encrypts the private keys. */
  secrets: SecretBox;
  /** Time for which a key signs before it is replaced, in milliseconds. */
  rotateAfterMs: number;
  /**
   * How long a replaced key stays published: the longest lifetime of a token or signature made with it, in
   * milliseconds.
   */
  publishAfterMs: number;
}

/**
 * Creates a new key if one is due, and deletes replaced keys whose signatures have all expired. The keys are read under
 * a lock, so that two processes create only one new key.
 */
export async function rotateSigningKeys(rotation: SigningKeyRotation): Promise<void> {
  const { database, table, secrets } = rotation;
  const { purpose } = sealedKeys(table);
  const successor = await createSigningKey({ table, secrets, nowMs: database.now() });
  await database.transaction(async (tx) => {
    if (!(await tryTransactionLock(tx, `${getTableConfig(table).schema}:signing-keys`))) return;
    const now = database.now();
    await tx.delete(table).where(lt(table.publishedUntil, new Date(now)));
    const active = await tx.select().from(table).where(isNull(table.publishedUntil));
    const usable = active.filter((row) => openPrivateKey(row, { secrets, purpose }).error?.code !== 'SECRET_ALTERED');
    const signsFrom = successorSignsFrom(usable, now, rotation);
    if (signsFrom !== null) await tx.insert(table).values({ ...successor, signsFrom: new Date(signsFrom) });
    await retireReplaced(tx, active, now, rotation);
  });
}

/**
 * Returns the time from which a new key should sign, in milliseconds since the epoch. Returns `now` if no other key can
 * sign, and null if no new key is due.
 */
function successorSignsFrom(
  usable: readonly SigningKeyRow[],
  now: number,
  { rotateAfterMs }: SigningKeyRotation,
): number | null {
  const [newest] = newestFirst(usable);
  if (!newest || usable.every(({ signsFrom }) => signsFrom.getTime() > now)) return now;
  const isDueFrom = newest.signsFrom.getTime() + rotateAfterMs;
  return isDueFrom - publishBeforeMs <= now ? Math.max(now + publishBeforeMs, isDueFrom) : null;
}

/** Sets the time until which replaced keys stay published: until all their signatures have expired. */
async function retireReplaced(
  tx: Transaction,
  active: readonly SigningKeyRow[],
  now: number,
  { table, publishAfterMs }: SigningKeyRotation,
): Promise<void> {
  const [current, ...replaced] = newestFirst(active.filter((key) => key.signsFrom.getTime() <= now));
  for (const { kid } of replaced) {
    const until = (current?.signsFrom.getTime() ?? now) + publishAfterMs + refreshEveryMs;
    await tx
      .update(table)
      .set({ publishedUntil: new Date(until) })
      .where(eq(table.kid, kid));
  }
}

export function newestFirst<Row extends Pick<SigningKeyRow, 'signsFrom'>>(rows: readonly Row[]): Row[] {
  return rows.toSorted((a, b) => b.signsFrom.getTime() - a.signsFrom.getTime());
}
