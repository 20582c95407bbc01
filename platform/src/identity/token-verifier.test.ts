import { exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { createTokenVerifier } from './token-verifier.ts';

async function setUp() {
  const pair = await generateKeyPair('EdDSA', { extractable: true });
  const state = { now: Date.now(), key: pair.publicKey as CryptoKey | null, lookups: 0 };
  const verify = createTokenVerifier({
    async keys() {
      state.lookups += 1;
      if (!state.key) throw new Error('revoked');
      return state.key;
    },
    issuer: 'i',
    audience: 'a',
    now: () => state.now,
  });
  const sign = (claims = {}) =>
    new SignJWT({ sid: 's', phone_number: '+84909123456', ...claims })
      .setProtectedHeader({ alg: 'EdDSA', kid: 'k' })
      .setSubject('ann')
      .setIssuer('i')
      .setAudience('a')
      .setExpirationTime(new Date(state.now + 60_000))
      .sign(pair.privateKey);
  return { state, verify, sign, token: await sign(), pair };
}

const refused = { code: 'UNAUTHENTICATED' };

describe('token verifier: a repeated token', () => {
  it('has the same identity, and its key is looked up again', async () => {
    const { state, verify, token } = await setUp();
    const first = await verify(token);
    expect(await verify(`Bearer ${token}`)).toBe(first);
    expect(state.lookups).toBe(2);
  });

  it('is rejected once it has expired', async () => {
    const { state, verify, token } = await setUp();
    await verify(token);
    state.now += 60_000;
    await expect(verify(token)).rejects.toMatchObject({ ...refused, message: expect.stringContaining('expired') });
  });

  it('is rejected while its key is revoked', async () => {
    const { state, verify, token } = await setUp();
    await verify(token);
    const { key } = state;
    state.key = null;
    await expect(verify(token)).rejects.toMatchObject(refused);
    state.key = key;
    expect(await verify(token)).toMatchObject({ userId: 'ann' });
  });

  it('is verified by the current key of its kid', async () => {
    const { state, verify, token, pair } = await setUp();
    await verify(token);
    state.key = (await generateKeyPair('EdDSA')).publicKey;
    await expect(verify(token)).rejects.toMatchObject(refused);
    state.key = (await importJWK(await exportJWK(pair.publicKey), 'EdDSA')) as CryptoKey;
    expect(await verify(token)).toMatchObject({ userId: 'ann' });
  });

  it('is rejected with a changed signature, whatever was verified before', async () => {
    const { verify, token } = await setUp();
    await verify(token);
    const [header, payload, signature = ''] = token.split('.');
    const changed = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    await expect(verify([header, payload, changed].join('.'))).rejects.toMatchObject(refused);
  });

  it('is forgotten for larger ones, which are remembered up to 4 MB', async () => {
    const { verify, token, sign } = await setUp();
    const first = await verify(token);
    await verify(await sign({ large: 'x'.repeat(2_000_000) }));
    expect(await verify(token)).toBe(first);
    await verify(await sign({ large: 'y'.repeat(2_000_000) }));
    await verify(await sign({ large: 'z'.repeat(2_000_000) }));
    expect(await verify(token)).not.toBe(first);
  });
});

describe('token verifier: a token that is written in another way', () => {
  it.each([
    ['spaces', (signature: string) => `${signature.slice(0, 9)}${' '.repeat(10_000)}${signature.slice(9)}`],
    ['a line break', (signature: string) => `${signature.slice(0, 9)}\n${signature.slice(9)}`],
    ['padding', (signature: string) => `${signature}==`],
  ])('is refused with %s in its signature', async (_, change) => {
    // Regression: by adding spaces, a client could make the verifier remember one token 2,000 times, with 60 kB each.
    const { verify, token } = await setUp();
    const [header, payload, signature = ''] = token.split('.');
    await expect(verify([header, payload, change(signature)].join('.'))).rejects.toMatchObject(refused);
  });
});
