import { createHmac, type KeyObject, sign } from 'node:crypto';

export const secretPrefix = 'whsec_';
export const publicKeyPrefix = 'whpk_';

/**
 * Builds the `webhook-signature` header from signatures of `id.timestamp.body`, separated by spaces: `v1,<base64>` per
 * secret (HMAC-SHA256), and `v1a,<base64>` per key (Ed25519).
 *
 * @param secrets the user's secrets, each as `whsec_` and base64
 * @param privateKeys the service's private keys
 * @see Standard Webhooks 1.0, "Signature scheme"
 */
export function signatureHeader({
  id,
  timestampSeconds,
  body,
  secrets,
  privateKeys,
}: {
  id: string;
  timestampSeconds: number;
  body: string;
  secrets: readonly string[];
  privateKeys: readonly KeyObject[];
}): string {
  const content = Buffer.from(`${id}.${timestampSeconds}.${body}`, 'utf8');
  return [
    ...secrets
      .map((secret) => Buffer.from(secret.slice(secretPrefix.length), 'base64'))
      .map((key) => `v1,${createHmac('sha256', key).update(content).digest('base64')}`),
    ...privateKeys.map((key) => `v1a,${sign(null, content, key).toString('base64')}`),
  ].join(' ');
}
