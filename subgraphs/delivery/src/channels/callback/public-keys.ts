import type { SigningKeys } from '@voucher-gateway/platform/identity/signing-keys';
import { publicKeyPrefix } from './signature.ts';

/** Where the keys are published, relative to the service, and to the gateway. */
export const publicKeysPath = '/.well-known/webhooks-jwks.json';

/**
 * The public keys of callbacks as a JWKS. Each key also has the form of Standard Webhooks (`whpk_`, then base64), which
 * its libraries take.
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
