import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { createForeignTokenVerifier } from './foreign-tokens.ts';

/**
 * Starts an issuer with a key of this algorithm. The URL of the issuer's key set responds with `state.status`, which a
 * test may change.
 */
async function startForeignIssuer(alg: string) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'k1', alg }];
  const state = { status: 200 };
  const server = createServer((_request, response) => {
    response.writeHead(state.status, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    state,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    sign: (claims: Record<string, unknown>) =>
      new SignJWT({ iss: 'them', aud: 'us', ...claims }).setProtectedHeader({ alg, kid: 'k1' }).sign(privateKey),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const now = () => 1_000_000;
const exp = 2_000;

describe('tokens of another issuer', () => {
  it.each(['RS256', 'ES256', 'EdDSA', 'PS512'])('are verified by %s', async (alg) => {
    await using issuer = await startForeignIssuer(alg);
    const verify = createForeignTokenVerifier({ url: issuer.url, now });
    const identity = await verify(`Bearer ${await issuer.sign({ sub: 'ann', exp, scope: 'a b' })}`);
    expect(identity).toMatchObject({ userId: 'ann', expiresAtMs: 2_000_000, claims: { scope: 'a b' } });
  });

  it.each([
    ['has expired', { exp: 999 }],
    ['is not valid yet', { nbf: 1_001, exp }],
    ['has another issuer', { iss: 'others', exp }],
    ['is for another audience', { aud: 'others', exp }],
  ])('are refused if one %s', async (_what, claims) => {
    await using issuer = await startForeignIssuer('ES256');
    const verify = createForeignTokenVerifier({ url: issuer.url, issuer: 'them', audience: 'us', now });
    await expect(verify(await issuer.sign(claims))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it.each([
    ['no token', 'x'],
    ['no signature', `${btoa('{"alg":"none"}')}.${btoa('{"sub":"ann"}')}.`],
  ])('are refused with %s', async (_what, token) => {
    await using issuer = await startForeignIssuer('ES256');
    const verify = createForeignTokenVerifier({ url: issuer.url, now });
    await expect(verify(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('are refused for an unknown key, and by a shared secret', async () => {
    await using issuer = await startForeignIssuer('ES256');
    await using other = await startForeignIssuer('ES256');
    const verify = createForeignTokenVerifier({ url: issuer.url, now });
    await expect(verify(await other.sign({ exp }))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    const secret = new TextEncoder().encode('a secret of more than thirty-two bytes');
    const forged = await new SignJWT({ exp }).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(secret);
    await expect(verify(forged)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('can be retried while the keys can not be fetched', async () => {
    await using issuer = await startForeignIssuer('ES256');
    issuer.state.status = 503;
    const verify = createForeignTokenVerifier({ url: issuer.url, now });
    await expect(verify(await issuer.sign({ exp }))).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      retryable: true,
    });
  });

  it('expire although they were verified before', async () => {
    await using issuer = await startForeignIssuer('ES256');
    let nowMs = 1_000_000;
    const verify = createForeignTokenVerifier({ url: issuer.url, now: () => nowMs });
    const token = await issuer.sign({ exp });
    await verify(token);
    nowMs = 2_000_001;
    await expect(verify(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});
