import { randomUUID } from 'node:crypto';
import { createBatcher } from '@voucher-gateway/platform/async/batcher';
import { type Database, type Transaction, violatedUnique } from '@voucher-gateway/platform/database';
import { rowsOf } from '@voucher-gateway/platform/database/rows';
import type { Topics } from '@voucher-gateway/platform/topics';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { and, eq, gt, lte, or, sql } from 'drizzle-orm';
import { requestCodeOf, type VoucherRequestRow } from './request-row.ts';
import { idempotencyKey as keyTable, voucher, voucherRequest } from './tables.ts';

/** A validated request. */
export interface ValidatedRequest {
  userId: string;
  phoneNumber: string;
  callbackUrl: string | null;
  key: string | null;
  /** Hash of the normalised input. It shows whether an idempotency key is reused with a different input. */
  fingerprint: string;
}

export interface AcceptedRequest {
  request: VoucherRequestRow;
  /** Hash of the input that created the request. */
  fingerprint: string;
  /** False if the idempotency key already had a request. */
  isNew: boolean;
}

export interface AcceptOptions {
  database: Database;
  topics: Topics;
  /** Time for which a retry with the same idempotency key gets the same request, in milliseconds. */
  keyLifeMs: number;
}

/**
 * Creates the function that stores a request, its idempotency key and its message for `request-code`, in one
 * transaction. Concurrent requests share the transaction. A request whose signal aborts before its transaction starts
 * is not stored.
 */
export function createAccept({ database, topics, keyLifeMs }: AcceptOptions) {
  const accept = createBatcher<ValidatedRequest, AcceptedRequest>({
    run: (batch) => database.transaction((tx) => acceptAll(tx, { topics, keyLifeMs, now: database.now() }, batch)),
  });
  return (request: ValidatedRequest, signal: AbortSignal): Promise<AcceptedRequest> =>
    accept(request, { signal }).catch((error: unknown) => {
      // A concurrent request with the same idempotency key was stored first. The second call returns that request.
      if (violatedUnique(error) === 'idempotency_key_user_id_key_pk') return accept(request, { signal });
      throw error;
    });
}

async function acceptAll(
  tx: Transaction,
  { topics, keyLifeMs, now }: Omit<AcceptOptions, 'database'> & { now: number },
  batch: readonly ValidatedRequest[],
): Promise<AcceptedRequest[]> {
  const existing = await findByKeys(tx, batch, now);
  /** New requests of this batch, by idempotency key. If a key occurs again, its first request is used. */
  const created = new Map<string, ValidatedRequest & { id: string }>();
  const names = batch.map((request) => {
    const name = request.key === null ? randomUUID() : keyNameOf(request);
    if (!existing.has(name) && !created.has(name)) created.set(name, { ...request, id: randomUUID() });
    return name;
  });
  const rows = await insertRequests(tx, [...created.values()], now);
  await insertKeys(tx, [...created.values()], { now, keyLifeMs });
  await topics.publishAll(tx, schemaTopics.requestCode, rows.map(requestCodeOf));
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  return names.map((name, index) => {
    const found = existing.get(name);
    if (found) return { ...found, isNew: false };
    const own = created.get(name);
    const request = own && rowOf.get(own.id);
    if (!request) throw new Error('the insert returned no row');
    return { request, fingerprint: own.fingerprint, isNew: names.indexOf(name) === index };
  });
}

async function findByKeys(tx: Transaction, batch: readonly ValidatedRequest[], now: number) {
  const keyed = batch.filter(({ key }) => key !== null);
  if (keyed.length === 0) return new Map<string, { fingerprint: string; request: VoucherRequestRow }>();
  const rows = await tx
    .select({ userId: keyTable.userId, key: keyTable.key, fingerprint: keyTable.fingerprint, request: voucherRequest })
    .from(keyTable)
    .innerJoin(voucherRequest, eq(voucherRequest.id, keyTable.requestId))
    .where(and(isOneOf(keyed), gt(keyTable.expiresAt, new Date(now))));
  return new Map(rows.map(({ fingerprint, request, ...row }) => [keyNameOf(row), { fingerprint, request }]));
}

async function insertRequests(tx: Transaction, created: readonly (ValidatedRequest & { id: string })[], now: number) {
  if (created.length === 0) return [];
  const at = new Date(now);
  return tx
    .insert(voucherRequest)
    .select(
      rowsOf(
        voucherRequest,
        created.map(({ id, userId, phoneNumber, callbackUrl }) => ({
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
  created: readonly (ValidatedRequest & { id: string })[],
  { now, keyLifeMs }: { now: number; keyLifeMs: number },
) {
  const keyed = created
    .flatMap(({ id, userId, key, fingerprint }) => (key === null ? [] : { userId, key, fingerprint, requestId: id }))
    // Rows are inserted in the order of keys, so that two batches with the same keys can not deadlock.
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

type Keyed = Pick<ValidatedRequest, 'userId' | 'key'>;

function keyNameOf({ userId, key }: Keyed): string {
  return `${userId}/${key}`;
}

function isOneOf(keyed: readonly Keyed[]) {
  return or(...keyed.map(({ userId, key }) => and(eq(keyTable.userId, userId), eq(keyTable.key, key ?? ''))));
}
