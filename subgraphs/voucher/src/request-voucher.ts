import { createHash } from 'node:crypto';
import type { Database } from '@voucher-gateway/platform/database';
import { normaliseCallbackUrl } from '@voucher-gateway/platform/egress/callback-url';
import type { UrlPolicy } from '@voucher-gateway/platform/egress/url-policy';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import type { Topics } from '@voucher-gateway/platform/topics';
import { callbackUrlKey, callbackUrlTtlMs } from '@voucher-gateway/schema/callback-url';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { createAccept } from './accept.ts';
import { requireOwnPhoneNumber } from './own-phone-number.ts';
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
  /** Time for which a retry with the same idempotency key gets the same request, in milliseconds. */
  keyLifeMs: number;
  callbackUrls: UrlPolicy;
}

/**
 * Creates the function that accepts a request. Row, idempotency key and message are stored in one transaction. Then the
 * callbackUrl is cached in the key-value store. If this fails, nothing is lost, because the message also has the URL.
 *
 * The function throws CodedError FORBIDDEN, PHONE_NUMBER_INVALID, CALLBACK_URL_REFUSED, BAD_USER_INPUT,
 * IDEMPOTENCY_KEY_REUSED or DATABASE_UNAVAILABLE if nothing was stored. After COMMIT_UNKNOWN the request may be stored,
 * and a retry with the same idempotency key returns it.
 */
export function createRequestVoucher(options: RequestVoucherOptions) {
  const { keyValue, log, region, callbackUrls } = options;
  const lines = createRepeatedLines(log);
  const accept = createAccept(options);
  return async (identity: Identity, input: RequestVoucherInput, signal: AbortSignal): Promise<VoucherRequestRow> => {
    const phoneNumber = requireOwnPhoneNumber(identity, input.phoneNumber, region, 'input.phoneNumber');
    const callbackUrl =
      (input.callbackUrl ?? null) === null
        ? null
        : normaliseCallbackUrl(String(input.callbackUrl), { policy: callbackUrls, argument: 'input.callbackUrl' });
    const key = parseKey(input.idempotencyKey);
    const fingerprint = createHash('sha256')
      .update(JSON.stringify([phoneNumber, callbackUrl]))
      .digest('base64url');

    const accepted = await accept({ userId: identity.userId, phoneNumber, callbackUrl, key, fingerprint }, signal);
    if (accepted.fingerprint !== fingerprint) {
      throw new CodedError<PublicErrorCode>(
        'IDEMPOTENCY_KEY_REUSED',
        'This idempotencyKey was used with another input.',
        {
          details: { argument: 'input.idempotencyKey' },
        },
      );
    }
    if (accepted.isNew) cacheCallbackUrl(accepted.request);
    return accepted.request;
  };

  function cacheCallbackUrl({ id, callbackUrl }: VoucherRequestRow): void {
    keyValue
      .set(callbackUrlKey(id), JSON.stringify({ callbackUrl }), { ttlMs: callbackUrlTtlMs })
      .catch((error: unknown) =>
        lines.warn(
          'cache',
          { error, requestId: id },
          'a callbackUrl could not be cached in the key-value store; delivery reads it from its database',
        ),
      );
  }
}

function parseKey(key: string | null | undefined): string | null {
  if (key === null || key === undefined) return null;
  if (key.length < 1 || key.length > 255) {
    throw new CodedError<PublicErrorCode>('BAD_USER_INPUT', 'An idempotencyKey has 1 to 255 characters.', {
      details: { argument: 'input.idempotencyKey' },
    });
  }
  return key;
}
