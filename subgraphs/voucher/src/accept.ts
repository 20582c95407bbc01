import { randomUUID } from 'node:crypto';
import { createBatcher } from '@voucher-gateway/platform/batcher';
import { type Database, type Transaction, violatedUnique } from '@voucher-gateway/platform/database';
import { rowsOf } from '@voucher-gateway/platform/database/rows';
import type { Topics } from '@voucher-gateway/platform/topics';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { and, eq, gt, lte, or, sql } from 'drizzle-orm';
import { requestCodeOf, type VoucherRequestRow } from './request-row.ts';
import { idempotencyKey as keyTable, voucher, voucherRequest } from './tables.ts';

/** A request that has been found good. */
export interface AskedRequest {
  userId: string;
  phoneNumber: string;
  callbackUrl: string | null;
  key: string | null;
  /** Of the input as it was understood: what a key stands for. */
  fingerprint: string;
}

export interface AcceptedRequest {
  request: VoucherRequestRow;
  /** Of the input that the request was made by. */
  fingerprint: string;
  /** False where the idempotency key stood for a request already. */
  isNew: boolean;
}

export interface AcceptOptions {
  database: Database;
  topics: Topics;
  /** An idempotency key stands for its request this long, in milliseconds. */
  keyLifeMs: number;
}

/**
 * Makes the function that stores a request with its idempotency key and its message, in one transaction. What
 * comes together shares the transaction.
 */
export function createAccept({ database, topics, keyLifeMs }: AcceptOptions) {
  const accept = createBatcher<AskedRequest, AcceptedRequest>({
    run: (together) =>
      database.transaction((tx) => acceptAll(tx, { topics, keyLifeMs, now: database.now() }, together)),
  });
  return (asked: AskedRequest): Promise<AcceptedRequest> =>
    accept(asked).catch((error: unknown) => {
      // Another request with the key has just been accepted: it is answered.
      if (violatedUnique(error) === 'idempotency_key_user_id_key_pk') return accept(asked);
      throw error;
    });
}

async function acceptAll(
  tx: Transaction,
  { topics, keyLifeMs, now }: Omit<AcceptOptions, 'database'> & { now: number },
  together: readonly AskedRequest[],
): Promise<AcceptedRequest[]> {
  const known = await findByKeys(tx, together, now);
  /** By key where there is one: others with it in this very batch are answered with the first. */
  const made = new Map<string, AskedRequest & { id: string }>();
  const names = together.map((asked) => {
    const name = asked.key === null ? randomUUID() : keyNameOf(asked);
    if (!known.has(name) && !made.has(name)) made.set(name, { ...asked, id: randomUUID() });
    return name;
  });
  const rows = await insertRequests(tx, [...made.values()], now);
  await insertKeys(tx, [...made.values()], { now, keyLifeMs });
  await topics.publishAll(tx, schemaTopics.requestCode, rows.map(requestCodeOf));
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  return names.map((name, index) => {
    const found = known.get(name);
    if (found) return { ...found, isNew: false };
    const own = made.get(name);
    const request = own && rowOf.get(own.id);
    if (!request) throw new Error('no row came back');
    return { request, fingerprint: own.fingerprint, isNew: names.indexOf(name) === index };
  });
}

async function findByKeys(tx: Transaction, together: readonly AskedRequest[], now: number) {
  const keyed = together.filter(({ key }) => key !== null);
  if (keyed.length === 0) return new Map<string, { fingerprint: string; request: VoucherRequestRow }>();
  const rows = await tx
    .select({ userId: keyTable.userId, key: keyTable.key, fingerprint: keyTable.fingerprint, request: voucherRequest })
    .from(keyTable)
    .innerJoin(voucherRequest, eq(voucherRequest.id, keyTable.requestId))
    .where(and(isOneOf(keyed), gt(keyTable.expiresAt, new Date(now))));
  return new Map(rows.map(({ fingerprint, request, ...row }) => [keyNameOf(row), { fingerprint, request }]));
}

async function insertRequests(tx: Transaction, made: readonly (AskedRequest & { id: string })[], now: number) {
  if (made.length === 0) return [];
  const at = new Date(now);
  return tx
    .insert(voucherRequest)
    .select(
      rowsOf(
        voucherRequest,
        made.map(({ id, userId, phoneNumber, callbackUrl }) => ({
          id,
          userId,
          phoneNumber,
          callbackUrl,
          status: 'PENDING' as const,
          requestedAt: at,
          publishedAt: at,
        })),
        {
          feedEnd: sql`(select ${voucher.id} from ${voucher} where ${voucher.phoneNumber} = input.phone_number order by ${voucher.feedNumber} desc limit 1)`,
        },
      ),
    )
    .returning();
}

async function insertKeys(
  tx: Transaction,
  made: readonly (AskedRequest & { id: string })[],
  { now, keyLifeMs }: { now: number; keyLifeMs: number },
) {
  const keyed = made
    .flatMap(({ id, userId, key, fingerprint }) => (key === null ? [] : { userId, key, fingerprint, requestId: id }))
    // Two batches with the same keys then wait for each other in one order.
    .toSorted((one, other) => (keyNameOf(one) < keyNameOf(other) ? -1 : 1));
  if (keyed.length === 0) return;
  const at = new Date(now);
  await tx.delete(keyTable).where(and(isOneOf(keyed), lte(keyTable.expiresAt, at)));
  const expiresAt = new Date(now + keyLifeMs);
  await tx.insert(keyTable).select(
    rowsOf(
      keyTable,
      keyed.map((row) => ({ ...row, expiresAt })),
    ),
  );
}

type Keyed = Pick<AskedRequest, 'userId' | 'key'>;

function keyNameOf({ userId, key }: Keyed): string {
  return `${userId}/${key}`;
}

function isOneOf(keyed: readonly Keyed[]) {
  return or(...keyed.map(({ userId, key }) => and(eq(keyTable.userId, userId), eq(keyTable.key, key ?? ''))));
}
