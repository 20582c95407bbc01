import { postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { decodeProtectedHeader } from 'jose';
import { describe, expect, it } from 'vitest';
import { revokeKey } from './revoke-key.ts';
import { codeOf, startTestUserService } from './testing/user-service.ts';

describe('revoked key', () => {
  it('revoked key: is replaced, and its tokens are rejected, in every process', async () => {
    await using ctx = await startTestUserService();
    const other = await ctx.startAnother();
    const { token } = (await ctx.signUp()).data?.signUp as { token: string };
    const kid = decodeProtectedHeader(token).kid ?? '';
    expect(await revokeKey(ctx.engines, kid)).toBe(true);
    expect(await ctx.whenEnded(1)).toEqual([{ kid }]);
    for (const { url } of [ctx.service, other]) {
      const post = (query: string, authorization?: string) => postGraphql(`${url}/graphql`, query, {}, authorization);
      await expect.poll(async () => codeOf(await post('{ me { id } }', token))).toBe('UNAUTHENTICATED');
      const signIn = 'mutation { signIn(input: { username: "ann", password: "1234567" }) { token } }';
      const signedIn = (await post(signIn)).data?.signIn as { token: string };
      expect(decodeProtectedHeader(signedIn.token).kid).not.toBe(kid);
      expect((await post('{ me { username } }', signedIn.token)).data).toEqual({ me: { username: 'ann' } });
    }
    expect(await revokeKey(ctx.engines, kid)).toBe(false);
  });

  it('revoked key: does not change when the next key starts to sign', async () => {
    await using ctx = await startTestUserService();
    const [first] = (await ctx.jwks()).keys;
    ctx.clock.jump(30 * 86_400_000 - 3_600_000);
    await expect.poll(async () => (await ctx.jwks()).keys.length).toBe(2);
    const next = (await ctx.jwks()).keys.find(({ kid }) => kid !== first?.kid);
    await revokeKey(ctx.engines, first?.kid ?? '');
    // The service drops the revoked key at once. `revokeKey` has created a third key, because the next key does not
    // sign yet. The service publishes the third key when it reads the keys again.
    await expect
      .poll(async () => {
        const kids = (await ctx.jwks()).keys.map(({ kid }) => kid);
        return { revoked: kids.includes(first?.kid), next: kids.includes(next?.kid), count: kids.length };
      })
      .toEqual({ revoked: false, next: true, count: 2 });
    const { token } = (await ctx.signUp()).data?.signUp as { token: string };
    expect([first?.kid, next?.kid]).not.toContain(decodeProtectedHeader(token).kid);
  });
});
