import { CodedError } from '@voucher-gateway/platform/errors';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { codeOf, startTestUserService } from './testing/user-service.ts';

describe('signIn', () => {
  it('signIn: accepts any case; rejects unknown users like wrong passwords', async () => {
    await using ctx = await startTestUserService();
    await ctx.signUp();
    expect((await ctx.signIn({ username: 'Ann' })).errors).toBeUndefined();
    const wrong = await ctx.signIn({ password: '7654321' });
    const unknown = await ctx.signIn({ username: 'nobody' });
    expect(wrong).toEqual(unknown);
    expect(codeOf(wrong)).toBe('INVALID_CREDENTIALS');
  });

  it.each([
    ['an invalid username', { username: 'x'.repeat(100_000) }],
    ['an invalid password', { password: 'x'.repeat(257) }],
  ])('signIn: rejects %s without a comparison', async (_what, input) => {
    await using ctx = await startTestUserService({ environment: { LIMIT_SIGN_INS_PER_USERNAME: '1/1m' } });
    await ctx.signUp();
    for (let attempt = 0; attempt < 3; attempt += 1)
      expect(codeOf(await ctx.signIn(input))).toBe('INVALID_CREDENTIALS');
    expect((await ctx.signIn()).errors).toBeUndefined();
  });

  it('signIn: is rejected while attempts can not be counted', async () => {
    const away = () => Promise.reject(new CodedError('KEY_VALUE_UNAVAILABLE', 'away', { retryable: true }));
    const keyValue: Partial<KeyValue> = {};
    await using ctx = await startTestUserService({ keyValue });
    await ctx.signUp();
    keyValue.increment = away;
    await using cut = await ctx.startAnother();
    const signIn = (password: string) =>
      postGraphql(`${cut.url}/graphql`, 'mutation ($input: SignInInput!) { signIn(input: $input) { token } }', {
        input: { username: 'ann', password },
      });
    for (const password of ['1234567', '7654321'])
      expect((await signIn(password)).errors).toMatchObject([
        { extensions: { code: 'SESSION_STORE_UNAVAILABLE', retryable: true } },
      ]);
  });

  it('signIn: is cancelled when its client has disconnected', async () => {
    const count = 20;
    const gate = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    let waiting = 0;
    let takenBack = 0;
    const keyValue: Partial<KeyValue> = {};
    await using ctx = await startTestUserService({
      keyValue,
      environment: { LIMIT_SIGN_INS_PER_USERNAME: '1000/10m' },
    });
    await ctx.signUp();
    // Each sign-in waits here, before its password is compared.
    keyValue.get = async (key) => {
      waiting += 1;
      if (waiting === count) arrived.resolve();
      await gate.promise;
      return ctx.engines.keyValue.get(key);
    };
    keyValue.increment = (key, by, options) => {
      if (by < 0) takenBack += 1;
      return ctx.engines.keyValue.increment(key, by, options);
    };
    await using gated = await ctx.startAnother();
    const left = new AbortController();
    const requests = Array.from({ length: count }, () =>
      fetch(`${gated.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          query: 'mutation { signIn(input: { username: "ann", password: "7654321" }) { token } }',
        }),
        signal: left.signal,
      }),
    );
    await arrived.promise;
    left.abort();
    await Promise.allSettled(requests);
    // When the server responds to this later request, it has handled the closed connections.
    await postGraphql(`${gated.url}/graphql`, '{ me { id } }');
    gate.resolve();
    // A cancelled attempt is removed from the count, because only wrong passwords stay counted.
    await expect.poll(() => takenBack).toBe(count);
  });

  it('signIn: ignores an invalid token, which other fields reject', async () => {
    await using ctx = await startTestUserService();
    await ctx.signUp();
    const { privateKey } = await generateKeyPair('Ed25519');
    const forged = await new SignJWT({ sub: 'x' }).setProtectedHeader({ alg: 'EdDSA' }).sign(privateKey);
    expect((await ctx.signIn({}, forged)).errors).toBeUndefined();
    expect(codeOf(await ctx.post('{ me { id } }', {}, forged))).toBe('UNAUTHENTICATED');
  });
});
