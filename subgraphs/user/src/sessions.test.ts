import { sessionKey } from '@voucher-gateway/schema/session';
import { decodeJwt } from 'jose';
import { describe, expect, it } from 'vitest';
import { session } from './tables.ts';
import { startTestUserService } from './testing/user-service.ts';

describe('session', () => {
  it('session: expires after ten idle minutes, and ends everywhere at sign-out', async () => {
    await using ctx = await startTestUserService();
    const { token } = (await ctx.signUp()).data?.signUp as { token: string };
    const { sid } = decodeJwt(token) as { sid: string };
    expect(await ctx.engines.keyValue.peek(sessionKey(sid))).toMatchObject({ expiresInMs: 600_000 });
    expect((await ctx.post('mutation { signOut }', {}, token)).data).toEqual({ signOut: true });
    expect(await ctx.engines.keyValue.peek(sessionKey(sid))).toBeNull();
    expect(await ctx.whenEnded(1)).toEqual([{ sid }]);
    expect((await ctx.post('mutation { signOut }', {}, token)).data).toEqual({ signOut: false });
    expect((await ctx.post('mutation { signOut }')).data).toEqual({ signOut: false });
  });

  it('retention: deletes a session whose token has expired', async () => {
    await using ctx = await startTestUserService();
    await ctx.signUp();
    const rows = () => ctx.engines.database.query.select().from(session);
    expect(await rows()).toHaveLength(1);
    ctx.clock.jump(12 * 3_600_000 + 60_000);
    await expect.poll(rows).toEqual([]);
  });

  it('entities: resolve users by reference; only the owner sees the phone number', async () => {
    await using ctx = await startTestUserService();
    const ann = (await ctx.signUp()).data?.signUp as { token: string; user: { id: string } };
    const bob = (await ctx.signUp({ username: 'bob', phoneNumber: '0909123457' })).data?.signUp as {
      user: { id: string };
    };
    const references = [ann.user.id, bob.user.id, '00000000-0000-4000-8000-000000000000', 'nonsense'].map((id) => ({
      __typename: 'User',
      id,
    }));
    const { data, errors } = await ctx.entities(references, ann.token);
    expect(data?._entities).toEqual([
      { id: ann.user.id, username: 'ann', phoneNumber: '+84909123456' },
      null,
      null,
      null,
    ]);
    expect(errors).toMatchObject([{ path: ['_entities', 1, 'phoneNumber'], extensions: { code: 'FORBIDDEN' } }]);
  });

  it('log: contains no password, phone number or token', async () => {
    await using ctx = await startTestUserService();
    const { token } = (await ctx.signUp({ password: 'a secret indeed' })).data?.signUp as { token: string };
    await ctx.signUp({ password: 'a secret indeed' });
    await ctx.signIn({ password: 'wrong secret' });
    for (const secret of ['secret', '909123456', token]) expect(ctx.log.text).not.toContain(secret);
  });
});
