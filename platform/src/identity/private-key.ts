import { createPrivateKey, type JsonWebKeyInput, type KeyObject } from 'node:crypto';
import { CodedError, isCodedError, type PlatformErrorCode } from '../errors.ts';
import type { SecretBox } from '../secrets/secret-box.ts';
import type { SigningKeyRow } from './signing-key-table.ts';

/**
 * A private key, or the error of its decryption: SECRETS_KEY_WRONG if it was encrypted with a key that this process does
 * not have; SECRET_ALTERED if its encrypted text was changed.
 */
export type OpenedKey = { privateKey: KeyObject; error: null } | { privateKey: null; error: CodedError };

/** Decrypts and parses the private key of a row. */
export function openPrivateKey(
  { kid, privateJwk }: SigningKeyRow,
  { secrets, purpose }: { secrets: SecretBox; purpose: string },
): OpenedKey {
  try {
    const jwk =
      typeof privateJwk === 'string' ? JSON.parse(secrets.open(privateJwk, { purpose, id: kid })) : privateJwk;
    return { privateKey: createPrivateKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' }), error: null };
  } catch (cause) {
    const error = isCodedError(cause, 'SECRETS_KEY_WRONG')
      ? cause
      : new CodedError<PlatformErrorCode>('SECRET_ALTERED', `the signing key ${kid} was altered`, { cause });
    return { privateKey: null, error };
  }
}
