import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { CodedError, type PlatformErrorCode } from '../errors.ts';

/** The use of a secret. A secret that was encrypted for one use can't be decrypted for another. */
export interface SecretUse {
  /** The kind of use, such as `users.signing_key`. */
  purpose: string;
  /** The row's primary key. */
  id: string;
}

/**
 * Encrypts secrets for the database with AES-256-GCM. It uses node:crypto synchronously. jose would encrypt on Node's
 * thread pool, whose few threads argon2 needs.
 */
export interface SecretBox {
  /** The beginning of each text that `seal` returns. It names the key. */
  readonly prefix: string;
  /** The beginnings of all texts that `open` can decrypt, one for each key. */
  readonly prefixes: readonly string[];
  /** Encrypts with the first key. */
  seal(text: string, use: SecretUse): string;
  /**
   * Decrypts with the key that the encrypted text names. Text that is not encrypted, which an earlier version stored,
   * is returned unchanged.
   * @throws CodedError SECRETS_KEY_WRONG if the box does not have that key; SECRET_ALTERED if no key can decrypt the
   *   text, because it was altered or encrypted for another use
   */
  open(stored: string, use: SecretUse): string;
}

/** An encrypted text has the form `sealed:<key id>:<base64url of nonce, ciphertext, tag>`. */
export const sealedMark = 'sealed:';
export const prefixLength = 16;
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** @param keys keys of 32 bytes. The first key encrypts, and all keys can decrypt */
export function createSecretBox(keys: readonly [Buffer, ...Buffer[]]): SecretBox {
  const byPrefix = new Map(keys.map((key) => [prefixOf(key), key]));
  const [first] = keys;
  const prefix = prefixOf(first);
  return {
    prefix,
    prefixes: [...byPrefix.keys()],
    seal(text, use) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', first, nonce, { authTagLength: tagBytes }).setAAD(contextOf(use));
      const parts = [nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()];
      return prefix + Buffer.concat(parts).toString('base64url');
    },
    open(stored, use) {
      if (!stored.startsWith(sealedMark)) return stored;
      const storedPrefix = stored.slice(0, prefixLength);
      const key = byPrefix.get(storedPrefix);
      if (!key) throw wrongKey(storedPrefix, use.purpose);
      const bytes = Buffer.from(stored.slice(prefixLength), 'base64url');
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), {
          authTagLength: tagBytes,
        })
          .setAAD(contextOf(use))
          .setAuthTag(bytes.subarray(-tagBytes));
        return decipher.update(bytes.subarray(nonceBytes, -tagBytes), undefined, 'utf8') + decipher.final('utf8');
      } catch (cause) {
        throw new CodedError<PlatformErrorCode>(
          'SECRET_ALTERED',
          `the secret ${use.purpose} ${use.id} was altered, or belongs to another row`,
          { cause },
        );
      }
    },
  };
}

/**
 * Creates the SecretBox of a service without SECRETS_KEY. It leaves secrets unencrypted, and can't decrypt any. Once
 * the service has a key, stored secrets are encrypted in the background.
 */
export function createPlainBox(): SecretBox {
  return {
    prefix: '',
    prefixes: [],
    seal: (text) => text,
    open(stored, { purpose }) {
      if (stored.startsWith(sealedMark)) throw wrongKey(stored.slice(0, prefixLength), purpose);
      return stored;
    },
  };
}

/** Creates the error for an encrypted text whose key is not in SECRETS_KEY. `storedPrefix` names that key. */
export function wrongKey(storedPrefix: string, purpose: string): CodedError {
  const keyId = storedPrefix.slice(sealedMark.length, -1);
  return new CodedError(
    'SECRETS_KEY_WRONG',
    `SECRETS_KEY does not have the key ${keyId}, with which ${purpose} is encrypted. Add that key; no new one can replace it.`,
  );
}

/** Parses the base64 text of a key; null if it is not 32 bytes. */
export function parseKey(text: string): Buffer | null {
  const isBase64 = /^[A-Za-z0-9+/_-]{43}=?$/.test(text.trim());
  const key = Buffer.from(text.trim(), 'base64');
  return isBase64 && key.length === keyBytes ? key : null;
}

/** Creates a random key, as base64. */
export function createKeyText(): string {
  return randomBytes(keyBytes).toString('base64');
}

function prefixOf(key: Buffer): string {
  const keyId = createHash('sha256').update('voucher-gateway key id\0').update(key).digest('hex').slice(0, 8);
  return `${sealedMark}${keyId}:`;
}

function contextOf({ purpose, id }: SecretUse): Buffer {
  return Buffer.from(JSON.stringify([purpose, id]), 'utf8');
}
