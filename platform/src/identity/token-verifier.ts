import { errors, type JWTHeaderParameters, type JWTPayload, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { CodedError, isCodedError } from '../errors.ts';

/** The user of a request, read from the claims of the token. */
export interface Identity {
  userId: string;
  /** Id of the session that the token belongs to. */
  sid: string;
  /** The user's phone number, as E.164. */
  phoneNumber: string;
  /** Id of the key that signed the token. */
  kid: string;
  /** Expiry of the token, in milliseconds since the epoch. */
  expiresAtMs: number;
  /** All claims by name. The directive `@topic` of a subscription can filter messages by a claim. */
  claims: Readonly<JWTPayload>;
}

const claimsSchema = z.object({
  sub: z.string().min(1),
  sid: z.string().min(1),
  phone_number: z.string().min(1),
  exp: z.number(),
});

/** Finds the key that a token names by `kid`. */
export type FindKey = (header: JWTHeaderParameters) => Promise<CryptoKey>;

export interface TokenVerifierOptions {
  /** Finds the key of a token: `RemoteKeys.find`, or jose's `createLocalJWKSet`. */
  keys: FindKey;
  issuer: string;
  audience: string;
  /** Returns the time for checks of expiry, in milliseconds since the epoch. */
  now(): number;
}

export type TokenVerifier = (authorization: string) => Promise<Identity>;

/**
 * Limits of the cache of verified tokens: the number of tokens, and the sum of their characters. A token has about 400
 * characters.
 */
const rememberedTokens = 2_000;
const rememberedCharacters = 4_000_000;
/**
 * The only valid form of a token (RFC 7515 section 7.1). jose would also accept white space and padding in the
 * signature. A client could then write one token in countless forms, and fill the cache of verified tokens.
 */
const compactForm = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Creates a verifier of tokens. It checks the algorithm (EdDSA only), the `kid`, issuer, audience and expiry, and
 * requires the claims of `Identity`.
 *
 * The signature of a repeated token is not verified again, because verifying it is the most expensive step. The token's
 * expiry is checked and its key is looked up each time, so that revoking a key takes effect immediately.
 *
 * The verifier takes the authorization header's value, with or without `Bearer `.
 * @throws CodedError UNAUTHENTICATED for any token that is not valid now; SERVICE_UNAVAILABLE (retryable) while the
 *   keys can't be fetched
 * @see RFC 7519, RFC 8725
 */
export function createTokenVerifier({ keys, issuer, audience, now }: TokenVerifierOptions): TokenVerifier {
  const verified = new LRUCache<string, { identity: Identity; header: JWTHeaderParameters; key: CryptoKey }>({
    max: rememberedTokens,
    maxSize: rememberedCharacters,
    sizeCalculation: (_, token) => token.length,
  });

  const keyByKid = (header: JWTHeaderParameters) => {
    // A token without a kid is refused, because it could not be revoked by its kid. jose would accept it if there is
    // only one key.
    if (!header.kid) throw new errors.JWKSNoMatchingKey();
    return keys(header);
  };

  const verify = async (token: string): Promise<Identity> => {
    if (!compactForm.test(token)) throw new errors.JWSInvalid('It is not in compact form.');
    const known = verified.get(token);
    if (known && known.identity.expiresAtMs > now() && (await keys(known.header)) === known.key) return known.identity;
    verified.delete(token);
    const { payload, protectedHeader, key } = await jwtVerify<JWTPayload, CryptoKey>(token, keyByKid, {
      issuer,
      audience,
      algorithms: ['EdDSA'],
      currentDate: new Date(now()),
    });
    const claims = claimsSchema.parse(payload);
    const identity: Identity = {
      userId: claims.sub,
      sid: claims.sid,
      phoneNumber: claims.phone_number,
      kid: protectedHeader.kid as string,
      expiresAtMs: claims.exp * 1_000,
      claims: payload,
    };
    verified.set(token, { identity, header: protectedHeader, key });
    return identity;
  };

  return async (authorization) => {
    try {
      return await verify(authorization.replace(/^bearer\s+/i, '').trim());
    } catch (error) {
      if (error instanceof errors.JWTExpired)
        throw new CodedError('UNAUTHENTICATED', 'The token has expired; sign in again.', { cause: error });
      if (isCodedError(error)) throw error;
      throw new CodedError('UNAUTHENTICATED', 'The token is not valid; sign in again.', { cause: error });
    }
  };
}
