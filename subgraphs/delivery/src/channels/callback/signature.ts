import { createHmac } from 'node:crypto';

export const secretPrefix = 'whsec_';

/**
 * Builds the `webhook-signature` header: `v1,<base64 HMAC-SHA256 of id.timestamp.body>` per secret, separated by spaces.
 *
 * @param secrets each is `whsec_`, then base64
 * @see Standard Webhooks 1.0, "Signature scheme"
 */
export function signatureHeader({
  id,
  timestampSeconds,
  body,
  secrets,
}: {
  id: string;
  timestampSeconds: number;
  body: string;
  secrets: readonly string[];
}): string {
  const content = `${id}.${timestampSeconds}.${body}`;
  return secrets
    .map((secret) => Buffer.from(secret.slice(secretPrefix.length), 'base64'))
    .map((key) => `v1,${createHmac('sha256', key).update(content, 'utf8').digest('base64')}`)
    .join(' ');
}
