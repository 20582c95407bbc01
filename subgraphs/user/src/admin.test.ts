import { randomUUID } from 'node:crypto';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { sessionKey } from '@voucher-gateway/schema/session';
import { describe, expect, it } from 'vitest';
import { parseAdminCommand, runAdminCommand } from './admin.ts';
import { createKey } from './create-key.ts';
import { userMigrations } from './migrations.ts';
import { bankUser, session, signingKey } from './tables.ts';

async function setUp() {
  const engines = await openTestEngines();
  const { database, keyValue } = engines;
  await database.migrate(userMigrations);
  return {
    keyValue,
    /** Adds a user with so many sessions; answers the first one's key. */
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
      const key = await createKey(database.now());
      await database.query.insert(signingKey).values(key);
      return key.kid;
    },
    async run(...words: string[]) {
      const command = parseAdminCommand(words);
      if (!command) throw new Error('no command');
      return runAdminCommand({ ...engines, openKeyValue: async () => engines.keyValue }, command);
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
  ])('admin: %j is no command', (words) => expect(parseAdminCommand(words)).toBeNull());

  it('end-sessions: ends those of a user, by username in any case and by id', async () => {
    await using set = await setUp();
    const id = randomUUID();
    const anns = await set.addUser('Ann', 2, id);
    const bobs = await set.addUser('bob', 1);
    expect(await set.run('end-sessions', 'aNN')).toEqual({ done: true, message: '2 sessions of Ann ended.' });
    expect(await set.keyValue.get(anns)).toBeNull();
    expect(await set.keyValue.get(bobs)).not.toBeNull();
    expect(await set.run('end-sessions', id.toUpperCase())).toEqual({
      done: true,
      message: '0 sessions of Ann ended.',
    });
    expect(await set.run('end-sessions', 'carl')).toEqual({ done: false, message: 'There is no user carl.' });
  });

  it("end-sessions: takes an id for the user's whose it is, not for a username", async () => {
    await using set = await setUp();
    const id = randomUUID();
    const anns = await set.addUser('ann', 1, id);
    await set.addUser(id, 1);
    expect((await set.run('end-sessions', id)).message).toBe('1 session of ann ended.');
    expect(await set.keyValue.get(anns)).toBeNull();
  });

  it('revoke-key: withdraws a key, and names those that there are for an unknown one', async () => {
    await using set = await setUp();
    const kid = await set.addKey();
    const unknown = await set.run('revoke-key', 'x');
    expect(unknown).toEqual({ done: false, message: `There is no key x.\n${kid}  signs` });
    expect((await set.run('revoke-key', kid)).done).toBe(true);
    const { message } = await set.run('list-keys');
    expect(message).not.toContain(kid);
    expect(message).toMatch(/^[\da-f-]{36} {2}signs$/);
  });
});
