import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import { CodedError, isCodedError } from './errors.ts';

/** Who asks, as the token says. */
export interface Identity {
  userId: string;
  /** Id of the session that the token belongs to. */
  sid: string;
  /** E.164. */
  phoneNumber: string;
  /** Id of the key that signed the token. */
  kid: string;
  /** End of the token, in milliseconds since the epoch. */
  expiresAtMs: number;
  /** All claims by name, for what is matched by claim (`@topic`). */
  claims: Readonly<JWTPayload>;
}

const claimsSchema = z.object({
  sub: z.string().min(1),
  sid: z.string().min(1),
  phone_number: z.string().min(1),
  exp: z.number(),
});

export interface TokenVerifierOptions {
  /** The keys, as `RemoteKeys.find` or jose's `createLocalJWKSet`. */
  keys: JWTVerifyGetKey;
  issuer: string;
  audience: string;
  /** The time to judge expiry by, in milliseconds since the epoch. */
  now(): number;
}

export type TokenVerifier = (authorization: string) => Promise<Identity>;

/**
 * Verifies a token: EdDSA only, a key named by `kid`, issuer, audience, expiry, and the claims we rely on.
 *
 * The verifier takes the authorization header's value, with or without `Bearer `.
 * @throws CodedError UNAUTHENTICATED for any token that is not valid now; SERVICE_UNAVAILABLE
 *   (retryable) while the keys can't be fetched
 * @see RFC 7519, RFC 8725
 */
export function createTokenVerifier({ keys, issuer, audience, now }: TokenVerifierOptions): TokenVerifier {
  // Without a kid, a set of one key would answer that key, and nobody could revoke it.
  const keyByKid: JWTVerifyGetKey = (header, token) => {
    if (!header.kid) throw new errors.JWKSNoMatchingKey();
    return keys(header, token);
  };
  return async (authorization) => {
    const token = authorization.replace(/^bearer\s+/i, '').trim();
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keyByKid, {
        issuer,
        audience,
        algorithms: ['EdDSA'],
        currentDate: new Date(now()),
      });
      const claims = claimsSchema.parse(payload);
      return {
        userId: claims.sub,
        sid: claims.sid,
        phoneNumber: claims.phone_number,
        kid: protectedHeader.kid as string,
        expiresAtMs: claims.exp * 1_000,
        claims: payload,
      };
    } catch (error) {
      if (error instanceof errors.JWTExpired)
        throw new CodedError('UNAUTHENTICATED', 'The token has expired; sign in again.', { cause: error });
      if (isCodedError(error)) throw error;
      throw new CodedError('UNAUTHENTICATED', 'The token is not valid; sign in again.', { cause: error });
    }
  };
}
