import { exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { createPasswords } from './passwords.ts';

const { signal } = new AbortController();

describe('passwords', () => {
  it('passwords: verifies only the right password, and none without a hash', async () => {
    const passwords = await createPasswords();
    const hash = await passwords.hash('1234567', signal);
    expect(await passwords.verify(hash, '1234567', signal)).toBe(true);
    expect(await passwords.verify(hash, '7654321', signal)).toBe(false);
    expect(await passwords.verify(null, '1234567', signal)).toBe(false);
  });

  it('passwords: rejects requests if the queue is full, and serves those in it', async () => {
    const passwords = await createPasswords({ concurrency: 1, maxWaiting: 3 });
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => passwords.hash('1234567', signal)));
    expect(results.map(({ status }) => status)).toEqual([...Array(4).fill('fulfilled'), ...Array(2).fill('rejected')]);
    expect((results[5] as PromiseRejectedResult).reason).toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      retryable: true,
    });
    await passwords.hash('1234567', signal);
  });

  it('passwords: removes a request from the queue once it has ended', async () => {
    const passwords = await createPasswords({ concurrency: 1, maxWaiting: 800 });
    const order: string[] = [];
    const first = passwords.hash('1234567', signal).then(() => order.push('first'));
    const left = new AbortController();
    const dropped = Array.from({ length: 800 }, () =>
      passwords.hash('1234567', left.signal).catch(({ code }) => order.push(code)),
    );
    left.abort();
    await Promise.all(dropped);
    const last = passwords.hash('1234567', signal).then(() => order.push('last'));
    await Promise.all([first, last]);
    expect(order.slice(-2)).toEqual(['first', 'last']);
    expect(new Set(order.slice(0, -2))).toEqual(new Set(['SERVICE_UNAVAILABLE']));
  });

  it('passwords: rejects a request that has ended, also without a queue', async () => {
    const passwords = await createPasswords();
    await expect(passwords.hash('1234567', AbortSignal.abort())).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    await passwords.hash('1234567', signal);
  });

  it('passwords: leaves threads for the verification of tokens', async () => {
    const passwords = await createPasswords();
    const { privateKey, publicKey } = await generateKeyPair('Ed25519', { extractable: true });
    const key = await importJWK(await exportJWK(publicKey), 'EdDSA');
    const token = await new SignJWT({}).setProtectedHeader({ alg: 'EdDSA' }).sign(privateKey);
    let hashed = 0;
    const hashes = Array.from({ length: 40 }, () => passwords.hash('1234567', signal).then(() => (hashed += 1)));
    // With four concurrent hashes on libuv's four threads each verification would wait for a hash.
    for (let verified = 0; verified < 40; verified += 1) await jwtVerify(token, key);
    expect(hashed).toBeLessThan(20);
    await Promise.all(hashes);
  });
});
