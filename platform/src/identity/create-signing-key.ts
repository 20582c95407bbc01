import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import type { SecretBox } from '../secrets/secret-box.ts';
import { type SigningKeyRow, type SigningKeyTable, sealedKeys } from './signing-key-table.ts';

/** Creates an Ed25519 key as a row of `table`. The key signs from `nowMs` on, and the private key is encrypted. */
export async function createSigningKey({
  table,
  secrets,
  nowMs,
}: {
  table: SigningKeyTable;
  secrets: SecretBox;
  nowMs: number;
}): Promise<SigningKeyRow> {
  const { privateKey, publicKey } = await generateKeyPair('Ed25519', { extractable: true });
  const kid = randomUUID();
  const { purpose } = sealedKeys(table);
  return {
    kid,
    privateJwk: secrets.seal(JSON.stringify(await exportJWK(privateKey)), { purpose, id: kid }),
    publicJwk: { ...(await exportJWK(publicKey)), kid, alg: 'EdDSA', use: 'sig' },
    createdAt: new Date(nowMs),
    signsFrom: new Date(nowMs),
    publishedUntil: null,
  };
}
