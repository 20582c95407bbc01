import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { verifySteps } from './verify-signature.ts';

const secret = `whsec_${btoa('a secret of thirty-two characters')}`;
const secrets = { secret, previousSecret: null };
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
  (await verifySteps(...input)).filter(({ passed }) => passed === false).map(({ title }) => title);

describe('signature', () => {
  it('signature: of the standardwebhooks package passes every step', async () => {
    expect(await failedOf(received(), secrets, false)).toEqual([]);
  });

  it('signature: passes if any of several matches', async () => {
    const { headers } = received();
    const request = received({ 'webhook-signature': `v1,AAAA ${headers['webhook-signature']} v1a,BBBB` });
    expect(await failedOf(request, secrets, false)).toEqual([]);
  });

  it.each([
    ['a wrong signature', received({ 'webhook-signature': 'v1,AAAA' }), ['Signature does not match this secret']],
    ['another body', { ...received(), body: `${body} ` }, ['Signature does not match this secret']],
    ['an old timestamp', received({}, '2026-01-31T12:05:01.000Z'), ['The timestamp is not recent']],
    [
      'no headers',
      { ...received(), headers: {} },
      ['A header is missing', 'The timestamp is not recent', 'Signature does not match this secret'],
    ],
  ])('signature: of %s fails', async (_what, request, failed) => {
    expect(await failedOf(request, secrets, false)).toEqual(failed);
  });

  it('signature: of the previous secret is named as such', async () => {
    const rotated = { secret: `whsec_${btoa('another secret of the same length')}`, previousSecret: secret };
    const steps = await verifySteps(received(), rotated, false);
    expect(steps.map(({ title, passed }) => [title, passed])).toContainEqual([
      'Signed with your previous secret',
      null,
    ]);
  });

  it('duplicate: is neither right nor wrong', async () => {
    const steps = await verifySteps(received(), secrets, true);
    expect(steps.at(-1)).toMatchObject({ title: 'Duplicate: the id was seen before', passed: null });
  });

  it('timestamp: that is years old says so in years', async () => {
    const steps = await verifySteps(received({ 'webhook-timestamp': '1' }), secrets, false);
    expect(steps[1]?.detail).toContain('about 56 years');
  });
});
