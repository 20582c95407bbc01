import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { publicErrors, statusOf } from './error-codes.ts';
import { topics } from './topics.ts';
import { answerSchema, challengeOf, lateCallbackSchema } from './vps-protocol.ts';

it('vps protocol: computes the challenge of RFC 7636, appendix B', () => {
  expect(challengeOf('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk')).toBe(
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  );
});

it('vps protocol: accepts only a code or an S256 challenge as a response', () => {
  const codeChallenge = challengeOf('a'.repeat(43));
  const accepts = (answer: object) => answerSchema.safeParse(answer).success;
  expect(accepts({ status: 'SUCCESS', voucherCode: 'VC-1', message: 'ready' })).toBe(true);
  expect(accepts({ codeChallenge, transformMethod: 'S256', message: 'wait' })).toBe(true);
  expect(accepts({ codeChallenge, transformMethod: 'plain' })).toBe(false);
  expect(accepts({ codeChallenge })).toBe(false);
  expect(accepts({ codeChallenge: 'short', transformMethod: 'S256' })).toBe(false);
  expect(accepts({ status: 'SUCCESS', voucherCode: '' })).toBe(false);
  expect(accepts({ status: 'LATE_SUCCESS', voucherCode: 'VC-1' })).toBe(false);
});

it('vps protocol: accepts only callbacks with a verifier of RFC 7636', () => {
  const accepts = (codeVerifier: string) =>
    lateCallbackSchema.safeParse({ codeVerifier, status: 'SUCCESS', voucherCode: 'VC-1' }).success;
  expect(accepts('a'.repeat(43))).toBe(true);
  expect(accepts('a'.repeat(128))).toBe(true);
  expect(accepts('a'.repeat(42))).toBe(false);
  expect(accepts('a'.repeat(129))).toBe(false);
  expect(accepts(`${'a'.repeat(42)}=`)).toBe(false);
});

it('cursor: decodes what it encoded, and nothing that only looks like it', () => {
  for (const id of ['message-1', randomUUID(), null]) expect(decodeCursor(encodeCursor(id))).toEqual({ id });
  for (const text of [
    '',
    'x',
    'djE6=',
    ' djE6',
    `${encodeCursor('a')}A`,
    Buffer.from('v2:a').toString('base64url'),
    'é',
    'a'.repeat(300),
  ])
    expect(decodeCursor(text)).toBeNull();
});

it('topics: are keyed by what must stay in order, and refuse other values', () => {
  const requestId = randomUUID();
  const at = '2026-01-31T12:00:00.000Z';
  const owner = { id: randomUUID() };
  const request = { requestId, userId: owner.id, phoneNumber: '+84909123456', callbackUrl: null, requestedAt: at };
  const received = {
    id: randomUUID(),
    requestId,
    code: 'VC-1',
    phoneNumber: '+84909123456',
    status: 'SUCCESS' as const,
    requestedAt: at,
    receivedAt: at,
    owner,
  };
  expect(topics.requestCode.key(topics.requestCode.schema.parse(request))).toBe(requestId);
  expect(topics.receiveCode.key(topics.receiveCode.schema.parse(received))).toBe('+84909123456');
  expect(topics.sessionEnded.schema.safeParse({}).success).toBe(false);
  for (const wrong of [
    { ...received, phoneNumber: '0909123456' },
    { ...received, receivedAt: '31 January' },
    { ...received, status: 'LATE' },
    { ...received, code: '' },
    { ...received, owner: {} },
  ])
    expect(topics.receiveCode.schema.safeParse(wrong).success).toBe(false);
});

it('error codes: have HTTP error statuses, and 500 for an unknown code', () => {
  for (const [code, { status }] of Object.entries(publicErrors)) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(statusOf(code)).toBe(status);
  }
  expect(statusOf('NESTED_DATABASE_USE')).toBe(500);
  expect(statusOf('toString')).toBe(500);
});
