import { timingSafeEqual } from 'node:crypto';
import type {
  FailureReason,
  ReceiveCode,
  RequestAcknowledged,
  RequestFailed,
  VoucherStatus,
} from '@voucher-gateway/schema/topics';
import { challengeOf, lateAfterMs, type VpsLateCallback } from '@voucher-gateway/schema/vps-protocol';
import { v5 as uuidV5 } from 'uuid';

/*
 * The states of a request to the provider.
 *
 *   WAITING ──code, in the answer or in a verified callback──▶ SETTLED
 *      └────refused, or timed out──▶ FAILED
 *
 * A WAITING request keeps every challenge of the provider, because a retry may get another challenge. Callbacks before
 * the first challenge are held: stored until they can be verified. SETTLED and FAILED are final: later callbacks get a
 * response, but nothing more is published.
 */

export interface Challenge {
  codeChallenge: string;
  /** When the challenge arrived; absent in rows of version 0.1. */
  at?: string;
}

/** A callback that arrived before the first challenge. It can not be verified yet. */
export type HeldCallback = Pick<VpsLateCallback, 'codeVerifier' | 'status' | 'voucherCode'> & { at: string };

/** A code from the provider. */
export interface ProviderCode {
  voucherCode: string;
  status: VoucherStatus;
  /** When the code arrived, in milliseconds since the epoch. */
  atMs: number;
  /** For a code in an answer: when the request to the provider was sent, in milliseconds since the epoch. */
  askedAtMs?: number;
}

/** The end of a request without a code. */
export interface ProviderFailure {
  reason: FailureReason;
  /** When the last request to the provider was sent, in milliseconds since the epoch. */
  askedAtMs: number;
  atMs: number;
}

/** Maximum of held callbacks per request. */
export const maxHeld = 5;

interface RequestFields {
  requestId: string;
  userId: string;
  phoneNumber: string;
  requestedAt: Date;
  /** When the request was first sent to the provider. Null until the first answer of the provider is stored. */
  askedAt: Date | null;
}
export type ProviderRequest =
  | (RequestFields & {
      status: 'WAITING';
      challenges: Challenge[];
      held: HeldCallback[];
      attempts: number;
      lastError: string | null;
    })
  | (RequestFields & {
      status: 'SETTLED';
      challenges: Challenge[];
      code: string;
      voucherStatus: VoucherStatus;
      receivedAt: Date;
    })
  | (RequestFields & { status: 'FAILED'; challenges: Challenge[]; reason: FailureReason; failedAt: Date });

/**
 * Namespace for voucher ids: a voucher's id is a UUID v5 of its request's id. So the same request always gives the same
 * voucher id.
 */
const voucherNamespace = '6f0f6d5e-6a3b-5b0c-9a51-0d6c7f9b2f10';

/**
 * Returns the status of a voucher: late if the provider says so, or if the code arrived more than 30 s after the
 * request.
 */
export function voucherStatusOf(providerStatus: VoucherStatus, requestedAt: Date, receivedAt: Date): VoucherStatus {
  const isLate = providerStatus === 'LATE_SUCCESS' || receivedAt.getTime() - requestedAt.getTime() > lateAfterMs;
  return isLate ? 'LATE_SUCCESS' : 'SUCCESS';
}

/** Whether the verifier matches one of the challenges (RFC 7636 section 4.6). */
export function verifies(codeVerifier: string, challenges: readonly Challenge[]): boolean {
  const actual = Buffer.from(challengeOf(codeVerifier));
  return challenges.some(({ codeChallenge }) => {
    const expected = Buffer.from(codeChallenge);
    return expected.length === actual.length && timingSafeEqual(expected, actual);
  });
}

/** Builds the message for `receive-code` only from the request's row, so that each publication has the same bytes. */
export function receiveCodeOf(request: Extract<ProviderRequest, { status: 'SETTLED' }>): ReceiveCode {
  return {
    id: uuidV5(request.requestId, voucherNamespace),
    requestId: request.requestId,
    code: request.code,
    phoneNumber: request.phoneNumber,
    status: request.voucherStatus,
    requestedAt: request.requestedAt.toISOString(),
    receivedAt: request.receivedAt.toISOString(),
    ...providerTimesOf(request),
    owner: { id: request.userId },
  };
}

const failureMessages: Record<FailureReason, string> = {
  PROVIDER_REFUSED: 'The voucher provider refused this request.',
  PROVIDER_UNAVAILABLE: 'The voucher provider could not be reached in time.',
  PROVIDER_SILENT: 'The voucher provider did not send the code in time.',
};

/** Builds the message for `request-failed` only from the request's row, so that each publication has the same bytes. */
export function requestFailedOf(request: Extract<ProviderRequest, { status: 'FAILED' }>): RequestFailed {
  return {
    requestId: request.requestId,
    phoneNumber: request.phoneNumber,
    reason: request.reason,
    message: failureMessages[request.reason],
    requestedAt: request.requestedAt.toISOString(),
    failedAt: request.failedAt.toISOString(),
    ...providerTimesOf(request),
    owner: { id: request.userId },
  };
}

/**
 * Builds the message about the provider's acknowledgement of a WAITING request. Returns null if `askedAt` or
 * `acknowledgedAt` is unknown.
 */
export function requestAcknowledgedOf(request: ProviderRequest): RequestAcknowledged | null {
  const { askedAt, acknowledgedAt } = providerTimesOf(request);
  if (!askedAt || !acknowledgedAt) return null;
  const { requestId, phoneNumber, userId } = request;
  return { requestId, phoneNumber, askedAt, acknowledgedAt, owner: { id: userId } };
}

function providerTimesOf({ askedAt, challenges: [first] }: ProviderRequest) {
  return { askedAt: askedAt?.toISOString(), acknowledgedAt: first?.at };
}
