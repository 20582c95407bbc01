import { createHash, createHmac } from 'node:crypto';

/**
 * The provider's values for an idempotency key. They depend only on key and seed, so that a restart does not change
 * them.
 */
export interface Derived {
  voucherCode: string;
  /** The verifier, of 43 characters (RFC 7636 section 4.1). */
  codeVerifier: string;
  /** The challenge: S256 of the verifier. */
  codeChallenge: string;
  /** Returns two pseudo-random numbers in [0, 1) for an attempt. */
  random(attempt: number): readonly [number, number];
}

export function derive(seed: string, key: string): Derived {
  const digest = (what: string) => createHmac('sha256', seed).update(`${what}:${key}`).digest();
  const codeVerifier = digest('verifier').toString('base64url');
  return {
    voucherCode: `VC-${digest('code')
      .toString('hex')
      .slice(0, 16)
      .toUpperCase()
      .replace(/(.{4})(?=.)/g, '$1-')}`,
    codeVerifier,
    codeChallenge: s256(codeVerifier),
    random(attempt) {
      const bytes = digest(`delay:${attempt}`);
      return [bytes.readUInt32BE(0) / 2 ** 32, bytes.readUInt32BE(4) / 2 ** 32];
    },
  };
}

/** BASE64URL(SHA256(ASCII(verifier))), RFC 7636 section 4.6. */
export function s256(verifier: string): string {
  return createHash('sha256').update(verifier, 'ascii').digest('base64url');
}
