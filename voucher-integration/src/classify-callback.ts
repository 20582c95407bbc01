import type { VpsLateCallback } from '@voucher-gateway/schema/vps-protocol';
import { type ProviderRequest, verifies } from './state.ts';

/** What a callback means for its request, before anything is stored. */
export type ClassifiedCallback =
  /** There is no such request. */
  | { kind: 'UNKNOWN' }
  /** The request has challenges, and the verifier matches none. */
  | { kind: 'NOT_VERIFIED'; requestId: string }
  /** The request has no challenge yet, so the callback can not be verified. */
  | { kind: 'EARLY'; requestId: string }
  /** The code of a waiting request. */
  | { kind: 'VERIFIED'; request: ProviderRequest }
  /** The request is settled with the same code. */
  | { kind: 'DUPLICATE' }
  /** The request is settled with another code. */
  | { kind: 'CONFLICT'; requestId: string }
  /** The request has failed: its code is bought, but not published. */
  | { kind: 'FAILED'; requestId: string };

/** Classifies a callback by the state of its request; null if there is none. */
export function classify(
  request: ProviderRequest | null,
  { codeVerifier, voucherCode }: Pick<VpsLateCallback, 'codeVerifier' | 'voucherCode'>,
): ClassifiedCallback {
  if (!request) return { kind: 'UNKNOWN' };
  const { requestId, challenges } = request;
  // Without a challenge there is nothing to verify. If the request has ended nothing is published either.
  if (challenges.length > 0 && !verifies(codeVerifier, challenges)) return { kind: 'NOT_VERIFIED', requestId };
  switch (request.status) {
    case 'WAITING':
      return challenges.length === 0 ? { kind: 'EARLY', requestId } : { kind: 'VERIFIED', request };
    case 'SETTLED':
      return request.code === voucherCode ? { kind: 'DUPLICATE' } : { kind: 'CONFLICT', requestId };
    case 'FAILED':
      return { kind: 'FAILED', requestId };
  }
}
