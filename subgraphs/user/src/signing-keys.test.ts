import { postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, it } from 'vitest';
import { startTestUserService } from './testing/user-service.ts';

describe('signing keys', () => {
  it('token: has the documented claims, and is signed with a key of the JWKS', async () => {
    await using ctx = await startTestUserService();
    const { token, user } = (await ctx.signUp()).data?.signUp as { token: string; user: { id: string } };
    const { keys } = await ctx.jwks();
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'EdDSA', kid: keys[0]?.kid });
    expect(decodeJwt(token)).toMatchObject({
      iss: 'voucher-gateway',
      aud: 'voucher-gateway',
      sub: user.id,
      phone_number: '+84909123456',
      sid: expect.any(String),
    });
    expect(keys[0]).not.toHaveProperty('d');
  });

  it('rotation: publishes a key before it signs, and until its tokens expire', async () => {
    await using ctx = await startTestUserService();
    const [first] = (await ctx.jwks()).keys;
    const { token } = (await ctx.signUp()).data?.signUp as { token: string };
    const day = 86_400_000;
    const keysWhen = async (count: number) => {
      await expect.poll(async () => (await ctx.jwks()).keys.length).toBe(count);
    };
    ctx.clock.jump(30 * day - 3_600_000);
    await keysWhen(2);
    const kidOf = async () => decodeProtectedHeader(((await ctx.signIn()).data?.signIn as { token: string }).token).kid;
    expect(await kidOf()).toBe(first?.kid);
    ctx.clock.jump(3_660_000);
    await expect.poll(kidOf).not.toBe(first?.kid);
    expect((await ctx.jwks()).keys.map((key) => key.kid)).toContain(first?.kid);
    expect(decodeProtectedHeader(token).kid).toBe(first?.kid);
    ctx.clock.jump(day);
    await keysWhen(1);
  });

  it("signing keys: each process verifies the other's tokens", async () => {
    await using ctx = await startTestUserService();
    const other = await ctx.startAnother();
    const { token } = (await ctx.signUp()).data?.signUp as { token: string };
    expect((await postGraphql(`${other.url}/graphql`, '{ me { username } }', {}, token)).data).toEqual({
      me: { username: 'ann' },
    });
  });
});
