import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../process/log.ts';
import { createRemoteKeys, type RemoteKeysOptions } from './remote-keys.ts';
import { createTokenVerifier } from './token-verifier.ts';

/** Creates an issuer whose responses the test sets. `fetched(n)` resolves after its nth request. */
async function setUp(options: Partial<RemoteKeysOptions> = {}, kids = ['first']) {
  const resources = new AsyncDisposableStack();
  const pairs = new Map<string, { jwk: JWK; privateKey: CryptoKey }>();
  const addKey = async (kid: string) => {
    const { privateKey, publicKey } = await generateKeyPair('Ed25519', { extractable: true });
    pairs.set(kid, { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'EdDSA', use: 'sig' } });
  };
  for (const kid of kids) await addKey(kid);
  const published = () => JSON.stringify({ keys: [...pairs.values()].map(({ jwk }) => jwk) });
  let answer: { status: number; body: string } | 'reset' | null = null;
  let fetches = 0;
  const waiters = new Set<() => void>();
  const server = createServer((request, response) => {
    fetches += 1;
    for (const wake of waiters) wake();
    if (answer === 'reset') return void request.socket.destroy();
    response.writeHead(answer?.status ?? 200, { 'content-type': 'application/json' });
    response.end(answer?.body ?? published());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  resources.defer(() => void server.close());
  resources.defer(() => server.closeAllConnections());
  const keys = resources.use(
    createRemoteKeys({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
      log: silentLog,
      refreshEveryMs: 60_000,
      retryAfterMs: 60_000,
      cooldownMs: 1,
      ...options,
    }),
  );
  const verify = createTokenVerifier({ keys: keys.find, issuer: 'i', audience: 'a', now: Date.now });
  const token = (kid: string, header: Partial<JWTHeaderParameters> = { kid }) =>
    new SignJWT({ sid: 's', phone_number: '+84909123456' })
      .setProtectedHeader({ alg: 'EdDSA', ...header })
      .setSubject('ann')
      .setIssuer('i')
      .setAudience('a')
      .setExpirationTime('1h')
      .sign(pairs.get(kid)?.privateKey as CryptoKey);
  return {
    keys,
    addKey,
    removeKey: (kid: string) => pairs.delete(kid),
    /** Publishes an Ed25519 key of a wrong length. */
    addUnusable(kid: string) {
      const { privateKey } = pairs.get('first') as { jwk: JWK; privateKey: CryptoKey };
      pairs.set(kid, { privateKey, jwk: { kty: 'OKP', crv: 'Ed25519', x: 'AAAA', kid } });
    },
    publish: (value: typeof answer) => {
      answer = value;
    },
    fetches: () => fetches,
    async fetched(count: number) {
      while (fetches < count) await new Promise<void>((resolve) => waiters.add(resolve));
    },
    token,
    verify: async (kid: string, header?: Partial<JWTHeaderParameters>) => {
      try {
        return (await verify(await token(kid, header))).userId;
      } catch (error) {
        const { code, retryable } = error as { code: string; retryable: boolean };
        return retryable ? `${code}, retryable` : code;
      }
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

describe('remote keys', () => {
  it('skips a key that can not be used, and reads the others', async () => {
    // Regression: one unusable key made the whole fetch fail, so that no new key was ever found.
    await using issuer = await setUp();
    const token = await issuer.verify('first');
    expect(token).toBe('ann');
    await issuer.addKey('second');
    issuer.addUnusable('bad');
    expect(await issuer.verify('second')).toBe('ann');
  });

  it.each([
    ['resets the connection', 'reset' as const],
    ['answers 500', { status: 500, body: '{}' }],
    ['answers with a page', { status: 200, body: '<html>' }],
    ['answers without keys', { status: 200, body: '{"keys": []}' }],
    ['answers with another type', { status: 200, body: '[]' }],
    ['answers with too much', { status: 200, body: `{"keys": [], "x": "${'x'.repeat(300_000)}"}` }],
  ])('remote keys: keep the last ones while the issuer %s', async (_what, answer) => {
    await using set = await setUp({ refreshEveryMs: 1, retryAfterMs: 1 });
    expect(await set.verify('first')).toBe('ann');
    set.publish(answer);
    const before = set.fetches();
    await set.fetched(before + 3);
    expect(await set.verify('first')).toBe('ann');
    await set.addKey('second');
    expect(await set.verify('second')).toBe('SERVICE_UNAVAILABLE, retryable');
    set.publish(null);
    await expect.poll(() => set.verify('second')).toBe('ann');
  });

  it('remote keys: fetch an unknown kid at once', async () => {
    await using set = await setUp();
    expect(await set.verify('first')).toBe('ann');
    await set.addKey('second');
    expect(await set.verify('second')).toBe('ann');
  });

  it('remote keys: fetch once per cooldown for many unknown kids', async () => {
    await using set = await setUp({ cooldownMs: 50 });
    expect(await set.verify('first')).toBe('ann');
    await set.addKey('unpublished');
    const token = await set.token('unpublished');
    set.removeKey('unpublished');
    const startedAt = performance.now();
    const verify = createTokenVerifier({ keys: set.keys.find, issuer: 'i', audience: 'a', now: Date.now });
    const before = set.fetches();
    const answers = await Promise.allSettled(Array.from({ length: 200 }, () => verify(token)));
    expect(new Set(answers.map((answer) => (answer as PromiseRejectedResult).reason.code))).toEqual(
      new Set(['UNAUTHENTICATED']),
    );
    expect(set.fetches() - before).toBeLessThanOrEqual(Math.ceil((performance.now() - startedAt) / 50) + 1);
  });

  it('remote keys: reject a token without a kid, even with a single key', async () => {
    await using set = await setUp();
    expect(await set.verify('first', {})).toBe('UNAUTHENTICATED');
    expect(await set.verify('first', { kid: '' })).toBe('UNAUTHENTICATED');
    expect(await set.verify('first')).toBe('ann');
  });

  it('remote keys: drop a withdrawn key at the next fetch', async () => {
    await using set = await setUp({ refreshEveryMs: 1 }, ['first', 'second']);
    const token = await set.token('first');
    const verify = createTokenVerifier({ keys: set.keys.find, issuer: 'i', audience: 'a', now: Date.now });
    expect(await verify(token)).toMatchObject({ userId: 'ann', kid: 'first' });
    set.removeKey('first');
    await expect.poll(() => verify(token).catch(({ code }) => code)).toBe('UNAUTHENTICATED');
  });

  it('remote keys: keep a key revoked while the issuer still publishes it', async () => {
    await using set = await setUp({ refreshEveryMs: 1 });
    expect(await set.verify('first')).toBe('ann');
    set.keys.revoke('first');
    expect(await set.verify('first')).toBe('UNAUTHENTICATED');
    await set.fetched(set.fetches() + 3);
    expect(await set.verify('first')).toBe('UNAUTHENTICATED');
    expect(set.keys.isRevoked('first')).toBe(true);
  });

  it('remote keys: remember the newest 1,000 revocations', async () => {
    await using set = await setUp();
    for (let n = 0; n <= 1_000; n += 1) set.keys.revoke(`key-${n}`);
    expect([set.keys.isRevoked('key-0'), set.keys.isRevoked('key-1'), set.keys.isRevoked('key-1000')]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('remote keys: find an issuer that starts later in the background', async () => {
    await using set = await setUp({ retryAfterMs: 1 });
    set.publish('reset');
    await set.addKey('second');
    expect(await set.verify('second')).toBe('SERVICE_UNAVAILABLE, retryable');
    set.publish(null);
    // The next fetch in the background succeeds.
    await set.fetched(set.fetches() + 1);
    expect(await set.verify('second')).toBe('ann');
  });
});
