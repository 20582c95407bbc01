import { challengeOf } from '@voucher-gateway/schema/vps-protocol';
import { describe, expect, it } from 'vitest';
import { classify } from './classify-callback.ts';
import type { ProviderRequest } from './state.ts';

const [right, wrong] = ['a'.repeat(43), 'b'.repeat(43)];
const acknowledged = [
  { codeChallenge: challengeOf(wrong.replaceAll('b', 'c')) },
  { codeChallenge: challengeOf(right) },
];
const fields = { requestId: 'r1', userId: 'u1', phoneNumber: '+84909123456', requestedAt: new Date(0) };
const states = {
  WAITING: { ...fields, status: 'WAITING', held: [], attempts: 1, lastError: null },
  SETTLED: { ...fields, status: 'SETTLED', code: 'CODE-1', voucherStatus: 'SUCCESS', receivedAt: new Date(1) },
  FAILED: { ...fields, status: 'FAILED', reason: 'PROVIDER_SILENT', failedAt: new Date(1) },
} as const;

describe('classify', () => {
  it('classify: reports a callback without a request as unknown', () => {
    expect(classify(null, { codeVerifier: right, voucherCode: 'CODE-1' })).toEqual({ kind: 'UNKNOWN' });
  });

  it.each([
    ['WAITING', 'right', 'CODE-1', 'VERIFIED'],
    ['WAITING', 'wrong', 'CODE-1', 'NOT_VERIFIED'],
    ['WAITING', 'none', 'CODE-1', 'EARLY'],
    ['SETTLED', 'right', 'CODE-1', 'DUPLICATE'],
    ['SETTLED', 'right', 'CODE-2', 'CONFLICT'],
    ['SETTLED', 'wrong', 'CODE-1', 'NOT_VERIFIED'],
    ['SETTLED', 'none', 'CODE-1', 'DUPLICATE'],
    ['SETTLED', 'none', 'CODE-2', 'CONFLICT'],
    ['FAILED', 'right', 'CODE-1', 'FAILED'],
    ['FAILED', 'wrong', 'CODE-1', 'NOT_VERIFIED'],
    ['FAILED', 'none', 'CODE-1', 'FAILED'],
  ] as const)('classify: %s, challenge %s, code %s is %s', (status, challenge, voucherCode, kind) => {
    const request: ProviderRequest = {
      ...states[status],
      challenges: challenge === 'none' ? [] : acknowledged,
    } as never;
    const codeVerifier = challenge === 'wrong' ? wrong : right;
    expect(classify(request, { codeVerifier, voucherCode }).kind).toBe(kind);
  });
});
