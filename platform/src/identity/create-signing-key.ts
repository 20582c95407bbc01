import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import type { SigningKeyRow } from './signing-key-table.ts';

/** Creates an Ed25519 key that signs from now on. */
export async function createSigningKey(nowMs: number): Promise<SigningKeyRow> {
  const { privateKey, publicKey } = await generateKeyPair('Ed25519', { extractable: true });
  const kid = randomUUID();
  return {
    kid,
    privateJwk: await exportJWK(privateKey),
    publicJwk: { ...(await exportJWK(publicKey)), kid, alg: 'EdDSA', use: 'sig' },
    createdAt: new Date(nowMs),
    signsFrom: new Date(nowMs),
    publishedUntil: null,
  };
}
