import type { SigningKeys } from '@voucher-gateway/platform/identity/signing-keys';
import { publicKeyPrefix } from './signature.ts';

/** Path of the public keys, at this service and at the gateway. */
export const publicKeysPath = '/.well-known/webhooks-jwks.json';

/**
 * The public keys of callbacks as a JWKS. Each key also has the form that libraries of Standard Webhooks accept
 * (`whpk_`, then base64).
 * @see RFC 7517 section 4: members that a reader does not know are ignored
 */
export function publicKeysOf({ jwks }: Pick<SigningKeys, 'jwks'>) {
  return {
    keys: jwks.keys.map((jwk) => ({
      ...jwk,
      whpk: publicKeyPrefix + Buffer.from(String(jwk.x), 'base64url').toString('base64'),
    })),
  };
}
