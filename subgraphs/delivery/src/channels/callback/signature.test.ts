import { generateKeyPairSync, verify } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
import { signatureHeader } from './signature.ts';

const [current, old] = [
  `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
  `whsec_${Buffer.alloc(24, 2).toString('base64')}`,
];
const id = '01234567-89ab-4def-8123-456789abcdef';
const body = '{"message":"grüß Gott"}';

it('signature: equals that of the Standard Webhooks library', () => {
  const at = new Date('2026-01-31T12:00:00Z');
  const header = signatureHeader({
    id,
    timestampSeconds: at.getTime() / 1_000,
    body,
    secrets: [current],
    privateKeys: [],
  });
  expect(header).toBe(new Webhook(current).sign(id, at, body));
});

it('signature: verifies with each of the secrets', () => {
  const timestampSeconds = Math.floor(Date.now() / 1_000);
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': signatureHeader({ id, timestampSeconds, body, secrets: [current, old], privateKeys: [] }),
  };
  for (const secret of [current, old]) expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
  const other = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;
  expect(() => new Webhook(other).verify(body, headers)).toThrow();
});

it('signature: has one of each secret and of each key, over the same content', () => {
  const keys = [1, 2].map(() => generateKeyPairSync('ed25519'));
  const privateKeys = keys.map(({ privateKey }) => privateKey);
  const header = signatureHeader({ id, timestampSeconds: 1_674_087_231, body, secrets: [current, old], privateKeys });
  const signatures = header.split(' ').map((each) => each.split(','));
  expect(signatures.map(([version]) => version)).toEqual(['v1', 'v1', 'v1a', 'v1a']);
  for (const [index, { publicKey }] of keys.entries()) {
    const signature = Buffer.from(signatures[2 + index]?.[1] ?? '', 'base64');
    expect(verify(null, Buffer.from(`${id}.1674087231.${body}`), publicKey, signature)).toBe(true);
  }
});
