import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { CodedError } from '../errors.ts';
import type { Identity, TokenVerifier } from './token-verifier.ts';

export interface ForeignTokenOptions {
  /** URL of the issuer's JSON Web Key Set. */
  url: string;
  /** The `iss` that tokens must have. Default: any. */
  issuer?: string | undefined;
  /** The `aud` that tokens must have. Default: any. */
  audience?: string | undefined;
  /** Returns the time for checks of expiry, in milliseconds since the epoch. */
  now(): number;
  /** Time-out of a fetch of the keys. Default: 5 s. */
  timeoutMs?: number;
}

/**
 * Algorithms with a private and a public key. Algorithms with a shared secret (HS256) are refused, because a secret
 * can't be published as a key.
 */
const algorithms = [
  ...['EdDSA', 'Ed25519', 'ES256', 'ES384', 'ES512'],
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
];
const rememberedTokens = 2_000;
const rememberedCharacters = 4_000_000;
/** After this time a token is verified again, because its key may have been withdrawn. */
const rememberedForMs = 60_000;

/**
 * Creates a verifier for the tokens of any issuer, whose public keys are fetched from `url`. No claim is required;
 * `sub` is the user's id.
 *
 * The verifier takes the authorization header's value, with or without `Bearer `.
 * @throws CodedError UNAUTHENTICATED for a token that is not valid now; SERVICE_UNAVAILABLE (retryable) while the keys
 *   can't be fetched
 * @see RFC 7519, RFC 8725
 */
export function createForeignTokenVerifier(options: ForeignTokenOptions): TokenVerifier {
  const { url, issuer, audience, now, timeoutMs = 5_000 } = options;
  const keys = createRemoteJWKSet(new URL(url), { timeoutDuration: timeoutMs });
  const verified = new LRUCache<string, Identity>({
    max: rememberedTokens,
    maxSize: rememberedCharacters,
    sizeCalculation: (_, token) => token.length + 1,
    ttl: rememberedForMs,
  });

  const verify = async (token: string): Promise<Identity> => {
    const known = verified.get(token);
    if (known && known.expiresAtMs > now()) return known;
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      ...(issuer !== undefined && { issuer }),
      ...(audience !== undefined && { audience }),
      algorithms,
      currentDate: new Date(now()),
    });
    const identity: Identity = {
      userId: payload.sub ?? '',
      sid: typeof payload.sid === 'string' ? payload.sid : '',
      phoneNumber: '',
      kid: protectedHeader.kid ?? '',
      expiresAtMs: payload.exp === undefined ? Number.POSITIVE_INFINITY : payload.exp * 1_000,
      claims: payload,
    };
    verified.set(token, identity);
    return identity;
  };

  return async (authorization) => {
    try {
      return await verify(authorization.replace(/^bearer\s+/i, '').trim());
    } catch (error) {
      if (error instanceof errors.JWTExpired)
        throw new CodedError('UNAUTHENTICATED', 'The token has expired; sign in again.', { cause: error });
      if (isAboutToken(error))
        throw new CodedError('UNAUTHENTICATED', 'The token is not valid; sign in again.', { cause: error });
      throw new CodedError('SERVICE_UNAVAILABLE', 'Tokens can not be verified at the moment; try again.', {
        cause: error,
        retryable: true,
      });
    }
  };
}

/** Whether an error concerns the token, and not the fetch of the keys. */
function isAboutToken(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return false;
  // If the keys' URL does not respond with 200, jose throws an error of its base class.
  return error instanceof errors.JOSEError && error.constructor !== errors.JOSEError;
}
