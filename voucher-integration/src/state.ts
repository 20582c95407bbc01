import { timingSafeEqual } from 'node:crypto';
import type { FailureReason, ReceiveCode, RequestFailed, VoucherStatus } from '@voucher-gateway/schema/topics';
import { challengeOf, lateAfterMs, type VpsLateCallback } from '@voucher-gateway/schema/vps-protocol';
import { v5 as uuidV5 } from 'uuid';

/*
 * A request's life.
 *
 *   WAITING ──code, in the answer or by a verified callback──▶ SETTLED
 *      └────refused, or given up──▶ FAILED
 *
 * WAITING keeps every challenge the provider has acknowledged with (a retry may get another one), and,
 * before there is any, the callbacks that came too early. SETTLED and FAILED are final: what comes
 * afterwards is answered, and changes nothing that was published.
 */

export interface Challenge {
  codeChallenge: string;
}

/** A callback that can't be judged yet. */
export type HeldCallback = Pick<VpsLateCallback, 'codeVerifier' | 'status' | 'voucherCode'> & { at: string };

/** Callbacks kept for a request at most, before its first challenge. */
export const maxHeld = 5;

interface Asked {
  requestId: string;
  userId: string;
  phoneNumber: string;
  requestedAt: Date;
}
export type ProviderRequest =
  | (Asked & {
      status: 'WAITING';
      challenges: Challenge[];
      held: HeldCallback[];
      attempts: number;
      lastError: string | null;
    })
  | (Asked & {
      status: 'SETTLED';
      challenges: Challenge[];
      code: string;
      voucherStatus: VoucherStatus;
      receivedAt: Date;
    })
  | (Asked & { status: 'FAILED'; challenges: Challenge[]; reason: FailureReason; failedAt: Date });

/** Namespace of voucher ids, so that a request's voucher has one id however often it is published. */
const voucherNamespace = '6f0f6d5e-6a3b-5b0c-9a51-0d6c7f9b2f10';

/** Late if the provider says so, or by our clock. */
export function voucherStatusOf(providerStatus: VoucherStatus, requestedAt: Date, receivedAt: Date): VoucherStatus {
  const isLate = providerStatus === 'LATE_SUCCESS' || receivedAt.getTime() - requestedAt.getTime() > lateAfterMs;
  return isLate ? 'LATE_SUCCESS' : 'SUCCESS';
}

/** Whether the verifier proves that who sends it made one of the challenges (RFC 7636 section 4.6). */
export function verifies(codeVerifier: string, challenges: readonly Challenge[]): boolean {
  const given = Buffer.from(challengeOf(codeVerifier));
  return challenges.some(({ codeChallenge }) => {
    const known = Buffer.from(codeChallenge);
    return known.length === given.length && timingSafeEqual(known, given);
  });
}

/** The outcome as it is published, from the row alone: a repeat is the same bytes. */
export function receiveCodeOf(request: Extract<ProviderRequest, { status: 'SETTLED' }>): ReceiveCode {
  return {
    id: uuidV5(request.requestId, voucherNamespace),
    requestId: request.requestId,
    code: request.code,
    phoneNumber: request.phoneNumber,
    status: request.voucherStatus,
    requestedAt: request.requestedAt.toISOString(),
    receivedAt: request.receivedAt.toISOString(),
    owner: { id: request.userId },
  };
}

const failureMessages: Record<FailureReason, string> = {
  PROVIDER_REFUSED: 'The voucher provider refused this request.',
  PROVIDER_UNAVAILABLE: 'The voucher provider could not be reached in time.',
  PROVIDER_SILENT: 'The voucher provider did not send the code in time.',
};

/** The failure as it is published, from the row alone. */
export function requestFailedOf(request: Extract<ProviderRequest, { status: 'FAILED' }>): RequestFailed {
  return {
    requestId: request.requestId,
    phoneNumber: request.phoneNumber,
    reason: request.reason,
    message: failureMessages[request.reason],
    requestedAt: request.requestedAt.toISOString(),
    failedAt: request.failedAt.toISOString(),
    owner: { id: request.userId },
  };
}
