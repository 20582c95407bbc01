import { createHash, randomUUID } from 'node:crypto';
import { type Database, type Transaction, violatedUnique } from '@voucher-gateway/platform/database';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Log } from '@voucher-gateway/platform/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import { callbackUrlKey, callbackUrlTtlMs } from '@voucher-gateway/schema/callback-url';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { and, desc, eq, gt, lte } from 'drizzle-orm';
import { normaliseCallbackUrl } from './callback-url.ts';
import { ownPhoneNumber } from './own-phone-number.ts';
import { requestCodeOf, type VoucherRequestRow } from './request-row.ts';
import { idempotencyKey as keyTable, voucher, voucherRequest } from './tables.ts';

export interface RequestVoucherInput {
  phoneNumber?: string | null;
  callbackUrl?: string | null;
  idempotencyKey?: string | null;
}

export interface RequestVoucherOptions {
  database: Database;
  topics: Topics;
  keyValue: KeyValue;
  log: Log;
  region: string;
}

/** An idempotency key stands for its request this long, in milliseconds. */
const keyLifeMs = 86_400_000;

/**
 * Makes the function that accepts a request. Row, idempotency key and message commit together; the
 * callbackUrl goes to the key-value store afterwards, best effort: delivery has it from the message, too.
 *
 * The function throws CodedError FORBIDDEN, PHONE_NUMBER_INVALID, CALLBACK_URL_REFUSED, BAD_USER_INPUT or
 * IDEMPOTENCY_KEY_REUSED, and then has left nothing behind.
 */
export function createRequestVoucher({ database, topics, keyValue, log, region }: RequestVoucherOptions) {
  return async (identity: Identity, input: RequestVoucherInput): Promise<VoucherRequestRow> => {
    const phoneNumber = ownPhoneNumber(identity, input.phoneNumber, region, 'input.phoneNumber');
    const callbackUrl = (input.callbackUrl ?? null) === null ? null : normaliseCallbackUrl(String(input.callbackUrl));
    const key = checkedKey(input.idempotencyKey);
    const fingerprint = createHash('sha256')
      .update(JSON.stringify([phoneNumber, callbackUrl]))
      .digest('base64url');

    const accept = () =>
      database.transaction(async (tx) => {
        const now = database.now();
        const known = key === null ? null : await findByKey(tx, identity.userId, key, now);
        if (known) {
          if (known.fingerprint !== fingerprint) {
            throw new CodedError<PublicErrorCode>(
              'IDEMPOTENCY_KEY_REUSED',
              'This idempotencyKey stands for another input.',
              { details: { argument: 'input.idempotencyKey' } },
            );
          }
          return { request: known.request, isNew: false };
        }
        const request = await insert(tx, { userId: identity.userId, phoneNumber, callbackUrl, now });
        if (key !== null) {
          await tx
            .delete(keyTable)
            .where(
              and(eq(keyTable.userId, identity.userId), eq(keyTable.key, key), lte(keyTable.expiresAt, new Date(now))),
            );
          await tx.insert(keyTable).values({
            userId: identity.userId,
            key,
            fingerprint,
            requestId: request.id,
            expiresAt: new Date(now + keyLifeMs),
          });
        }
        await topics.publish(tx, schemaTopics.requestCode, requestCodeOf(request));
        return { request, isNew: true };
      });

    const accepted = await accept().catch((error: unknown) => {
      // Another request with the key has just been accepted: it is answered.
      if (violatedUnique(error) === 'idempotency_key_user_id_key_pk') return accept();
      throw error;
    });
    if (accepted.isNew) remember(accepted.request);
    return accepted.request;
  };

  function remember({ id, callbackUrl }: VoucherRequestRow): void {
    keyValue
      .set(callbackUrlKey(id), JSON.stringify({ callbackUrl }), { ttlMs: callbackUrlTtlMs })
      .catch((error: unknown) =>
        log.warn({ error, requestId: id }, 'a callbackUrl is not in the key-value store; delivery goes by its own row'),
      );
  }
}

function checkedKey(key: string | null | undefined): string | null {
  if (key === null || key === undefined) return null;
  if (key.length < 1 || key.length > 255) {
    throw new CodedError<PublicErrorCode>('BAD_USER_INPUT', 'An idempotencyKey has 1 to 255 characters.', {
      details: { argument: 'input.idempotencyKey' },
    });
  }
  return key;
}

async function findByKey(tx: Transaction, userId: string, key: string, now: number) {
  const [row] = await tx
    .select({ fingerprint: keyTable.fingerprint, request: voucherRequest })
    .from(keyTable)
    .innerJoin(voucherRequest, eq(voucherRequest.id, keyTable.requestId))
    .where(and(eq(keyTable.userId, userId), eq(keyTable.key, key), gt(keyTable.expiresAt, new Date(now))));
  return row ?? null;
}

async function insert(
  tx: Transaction,
  {
    userId,
    phoneNumber,
    callbackUrl,
    now,
  }: { userId: string; phoneNumber: string; callbackUrl: string | null; now: number },
) {
  const [last] = await tx
    .select({ id: voucher.id })
    .from(voucher)
    .where(eq(voucher.phoneNumber, phoneNumber))
    .orderBy(desc(voucher.feedNumber))
    .limit(1);
  const at = new Date(now);
  const [row] = await tx
    .insert(voucherRequest)
    .values({
      id: randomUUID(),
      userId,
      phoneNumber,
      callbackUrl,
      status: 'PENDING',
      requestedAt: at,
      publishedAt: at,
      feedEnd: last?.id ?? null,
    })
    .returning();
  if (!row) throw new Error('no row came back');
  return row;
}
