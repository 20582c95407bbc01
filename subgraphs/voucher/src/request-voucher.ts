import { createHash } from 'node:crypto';
import type { Database } from '@voucher-gateway/platform/database';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Log } from '@voucher-gateway/platform/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import { callbackUrlKey, callbackUrlTtlMs } from '@voucher-gateway/schema/callback-url';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { createAccept } from './accept.ts';
import { normaliseCallbackUrl } from './callback-url.ts';
import { ownPhoneNumber } from './own-phone-number.ts';
import type { VoucherRequestRow } from './request-row.ts';

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
  /** An idempotency key stands for its request this long, in milliseconds. */
  keyLifeMs: number;
}

/**
 * Makes the function that accepts a request. Row, idempotency key and message commit together; the
 * callbackUrl goes to the key-value store afterwards, best effort: delivery has it from the message, too.
 *
 * The function throws CodedError FORBIDDEN, PHONE_NUMBER_INVALID, CALLBACK_URL_REFUSED, BAD_USER_INPUT or
 * IDEMPOTENCY_KEY_REUSED, and then has left nothing behind; so it has with DATABASE_UNAVAILABLE. After COMMIT_UNKNOWN
 * the same key tells.
 */
export function createRequestVoucher(options: RequestVoucherOptions) {
  const { keyValue, log, region } = options;
  const accept = createAccept(options);
  return async (identity: Identity, input: RequestVoucherInput): Promise<VoucherRequestRow> => {
    const phoneNumber = ownPhoneNumber(identity, input.phoneNumber, region, 'input.phoneNumber');
    const callbackUrl = (input.callbackUrl ?? null) === null ? null : normaliseCallbackUrl(String(input.callbackUrl));
    const key = checkedKey(input.idempotencyKey);
    const fingerprint = createHash('sha256')
      .update(JSON.stringify([phoneNumber, callbackUrl]))
      .digest('base64url');

    const accepted = await accept({ userId: identity.userId, phoneNumber, callbackUrl, key, fingerprint });
    if (accepted.fingerprint !== fingerprint) {
      throw new CodedError<PublicErrorCode>('IDEMPOTENCY_KEY_REUSED', 'This idempotencyKey stands for another input.', {
        details: { argument: 'input.idempotencyKey' },
      });
    }
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
