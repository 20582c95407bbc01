import type { VpsLateCallback } from '@voucher-gateway/schema/vps-protocol';
import { type ProviderRequest, verifies } from './state.ts';

/** The result of `classify`, which stores nothing. */
export type ClassifiedCallback =
  /** There is no such request. */
  | { kind: 'UNKNOWN' }
  /** The verifier matches none of the request's challenges. */
  | { kind: 'NOT_VERIFIED'; requestId: string }
  /** The request has no challenge yet, so the callback can not be verified. */
  | { kind: 'EARLY'; requestId: string }
  /** The callback has a verified code for a waiting request. */
  | { kind: 'VERIFIED'; request: ProviderRequest }
  /** The request is settled with the same code. */
  | { kind: 'DUPLICATE' }
  /** The request is settled with another code. */
  | { kind: 'CONFLICT'; requestId: string }
  /** The request has failed. The bought code is not published. */
  | { kind: 'FAILED'; requestId: string };

/** Classifies a callback by the state of its request. `request` is null if there is no such request. */
export function classify(
  request: ProviderRequest | null,
  { codeVerifier, voucherCode }: Pick<VpsLateCallback, 'codeVerifier' | 'voucherCode'>,
): ClassifiedCallback {
  if (!request) return { kind: 'UNKNOWN' };
  const { requestId, challenges } = request;
  // Without a challenge the callback can't be verified. For a request that has ended this is harmless, because nothing
  // is published.
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
