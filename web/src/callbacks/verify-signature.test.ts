import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { verifySteps } from './verify-signature.ts';

const secret = `whsec_${btoa('a secret of thirty-two characters')}`;
const body = '{"type":"voucher.received","data":{"code":"Ä"}}';
const sentAt = new Date('2026-01-31T12:00:00Z');

function received(changes: Record<string, string> = {}, at = sentAt.toISOString()) {
  const headers = {
    'webhook-id': 'id-1',
    'webhook-timestamp': String(sentAt.getTime() / 1_000),
    'webhook-signature': new Webhook(secret).sign('id-1', sentAt, body),
    ...changes,
  };
  return { at, headers, body };
}

const failedOf = async (...input: Parameters<typeof verifySteps>) =>
  (await verifySteps(...input)).filter(({ passed }) => !passed).map(({ title }) => title);

describe('signature', () => {
  it('signature: of the standardwebhooks package passes every step', async () => {
    expect(await failedOf(received(), secret, false)).toEqual([]);
  });

  it('signature: passes if any of several matches', async () => {
    const { headers } = received();
    const request = received({ 'webhook-signature': `v1,AAAA ${headers['webhook-signature']} v1a,BBBB` });
    expect(await failedOf(request, secret, false)).toEqual([]);
  });

  it.each([
    ['a wrong signature', received({ 'webhook-signature': 'v1,AAAA' }), ['No signature matches']],
    ['another body', { ...received(), body: `${body} ` }, ['No signature matches']],
    ['an old timestamp', received({}, '2026-01-31T12:05:01.000Z'), ['The timestamp is not recent']],
    [
      'no headers',
      { ...received(), headers: {} },
      ['A header is missing', 'The timestamp is not recent', 'No signature matches'],
    ],
  ])('signature: of %s fails', async (_what, request, failed) => {
    expect(await failedOf(request, secret, false)).toEqual(failed);
  });
});
