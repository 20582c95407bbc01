import { randomUUID } from 'node:crypto';
import { createSigningKey } from '@voucher-gateway/platform/identity/create-signing-key';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { sessionKey } from '@voucher-gateway/schema/session';
import { describe, expect, it } from 'vitest';
import { parseAdminCommand, runAdminCommand } from './admin.ts';
import { userMigrations } from './migrations.ts';
import { bankUser, session, signingKey } from './tables.ts';

async function setUp() {
  const engines = await openTestEngines();
  const { database, keyValue } = engines;
  await database.migrate(userMigrations);
  return {
    keyValue,
    /** Adds a user with sessions, and returns the store's key of the first session. */
    async addUser(username: string, sessions: number, id: string = randomUUID()) {
      await database.query.insert(bankUser).values({
        id,
        username,
        usernameKey: username.toLowerCase(),
        phoneNumber: `+849${id.slice(0, 8)}`,
        passwordHash: '',
        createdAt: new Date(),
      });
      const sids = Array.from({ length: sessions }, () => randomUUID());
      for (const sid of sids) {
        await database.query.insert(session).values({ sid, userId: id, expiresAt: new Date(Date.now() + 60_000) });
        await keyValue.set(sessionKey(sid), '{}', { ttlMs: 60_000 });
      }
      return sessionKey(sids[0] ?? '');
    },
    async addKey() {
      const key = await createSigningKey({ table: signingKey, secrets: engines.secrets, nowMs: database.now() });
      await database.query.insert(signingKey).values(key);
      return key.kid;
    },
    async run(...words: string[]) {
      const command = parseAdminCommand(words);
      if (!command) throw new Error('not a command');
      return runAdminCommand(
        { ...engines, openKeyValue: async () => engines.keyValue, openSecrets: async () => engines.secrets },
        command,
      );
    },
    [Symbol.asyncDispose]: () => engines[Symbol.asyncDispose](),
  };
}

describe('admin commands', () => {
  it.each([
    [[]],
    [['revoke-key']],
    [['end-sessions', '']],
    [['end-sessions', 'a', 'b']],
    [['list-keys', 'x']],
    [['x']],
  ])('admin: rejects the arguments %j', (words) => expect(parseAdminCommand(words)).toBeNull());

  it('end-sessions: finds the user by username in any case, and by id', async () => {
    await using ctx = await setUp();
    const id = randomUUID();
    const anns = await ctx.addUser('Ann', 2, id);
    const bobs = await ctx.addUser('bob', 1);
    expect(await ctx.run('end-sessions', 'aNN')).toEqual({ done: true, message: '2 sessions of Ann ended.' });
    expect(await ctx.keyValue.get(anns)).toBeNull();
    expect(await ctx.keyValue.get(bobs)).not.toBeNull();
    expect(await ctx.run('end-sessions', id.toUpperCase())).toEqual({
      done: true,
      message: '0 sessions of Ann ended.',
    });
    expect(await ctx.run('end-sessions', 'carl')).toEqual({ done: false, message: 'There is no user carl.' });
  });

  it("end-sessions: prefers a user's id to an equal username", async () => {
    await using ctx = await setUp();
    const id = randomUUID();
    const anns = await ctx.addUser('ann', 1, id);
    await ctx.addUser(id, 1);
    expect((await ctx.run('end-sessions', id)).message).toBe('1 session of ann ended.');
    expect(await ctx.keyValue.get(anns)).toBeNull();
  });

  it('revoke-key: revokes a key, and lists the keys for an unknown one', async () => {
    await using ctx = await setUp();
    const kid = await ctx.addKey();
    const unknown = await ctx.run('revoke-key', 'x');
    expect(unknown).toEqual({ done: false, message: `There is no key x.\n${kid}  signs` });
    expect((await ctx.run('revoke-key', kid)).done).toBe(true);
    const { message } = await ctx.run('list-keys');
    expect(message).not.toContain(kid);
    expect(message).toMatch(/^[\da-f-]{36} {2}signs$/);
  });
});
