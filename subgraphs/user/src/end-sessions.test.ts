import { randomUUID } from 'node:crypto';
import { sessionKey } from '@voucher-gateway/schema/session';
import { decodeJwt } from 'jose';
import { describe, expect, it } from 'vitest';
import { endUserSessions } from './end-sessions.ts';
import { session } from './tables.ts';
import { startTestUserService } from './testing/user-service.ts';

describe('endUserSessions', () => {
  it("endUserSessions: ends every session of the user, and no other user's", async () => {
    await using ctx = await startTestUserService();
    const { user } = (await ctx.signUp()).data?.signUp as { user: { id: string } };
    const bob = (await ctx.signUp({ username: 'bob', phoneNumber: '0909123457' })).data?.signUp as { token: string };
    await ctx.signIn();
    expect(await endUserSessions(ctx.engines, user.id)).toBe(2);
    expect(await ctx.whenEnded(2)).toHaveLength(2);
    const { sid } = decodeJwt(bob.token) as { sid: string };
    expect(ctx.ended).not.toContainEqual({ sid });
    expect(await ctx.engines.keyValue.get(sessionKey(sid))).not.toBeNull();
    expect(await endUserSessions(ctx.engines, user.id)).toBe(0);
  });

  it('endUserSessions: ends more sessions than fit into one transaction', async () => {
    await using ctx = await startTestUserService();
    const userId = randomUUID();
    const sids = Array.from({ length: 450 }, () => randomUUID());
    const expiresAt = new Date(ctx.clock.now() + 3_600_000);
    await ctx.engines.database.query.insert(session).values(sids.map((sid) => ({ sid, userId, expiresAt })));
    for (const sid of sids.slice(0, 3)) await ctx.engines.keyValue.set(sessionKey(sid), '{}', { ttlMs: 60_000 });
    expect(await endUserSessions(ctx.engines, userId)).toBe(3);
    expect(await ctx.whenEnded(450)).toHaveLength(450);
  });

  it('endUserSessions: can be retried after an outage of the store', async () => {
    await using ctx = await startTestUserService();
    const { user } = (await ctx.signUp()).data?.signUp as { user: { id: string } };
    const keyValue = { ...ctx.engines.keyValue, delete: () => Promise.reject(new Error('away')) };
    await expect(endUserSessions({ ...ctx.engines, keyValue }, user.id)).rejects.toMatchObject({
      code: 'SESSION_STORE_UNAVAILABLE',
      retryable: true,
    });
    expect(await endUserSessions(ctx.engines, user.id)).toBe(1);
  });
});
