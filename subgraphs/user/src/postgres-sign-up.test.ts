import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { openPostgres } from '@voucher-gateway/platform/database/postgres/postgres';
import { readConfig } from '@voucher-gateway/platform/process/config';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { openRealDatabase } from '@voucher-gateway/platform/testing/real-engines';
import { startTcpProxy } from '@voucher-gateway/platform/testing/tcp-proxy';
import { expect, it } from 'vitest';
import { userSettings } from './config.ts';
import { userMigrations } from './migrations.ts';
import { createSessions } from './sessions.ts';
import { bankUser, session } from './tables.ts';
import { createUsers } from './users.ts';

it.each(['after', 'before'] as const)('signUp: is stored once if its COMMIT is cut %s it arrived', async (when) => {
  await using direct = await openRealDatabase();
  await direct.migrate(userMigrations);
  await using proxy = await startTcpProxy(direct.url);
  const limits = { poolSize: 2, statementTimeoutMs: 10_000, queryTimeoutMs: 10_000 };
  await using database = await openPostgres({ url: proxy.url, log: silentLog, ...limits });
  const kept = new Map<string, string>();
  const keyValue = {
    set: async (key: string, value: string) => void kept.set(key, value),
    delete: async (key: string) => kept.delete(key),
  };
  const { privateKey } = generateKeyPairSync('ed25519');
  const sessions = createSessions({
    config: readConfig(userSettings, { PORT: '0' }),
    database,
    keyValue,
    keys: { current: () => ({ kid: 'k', privateKey }) },
  } as never);
  const users = createUsers({ database } as never);
  const id = randomUUID();
  const user = { id, username: 'ann', usernameKey: 'ann', phoneNumber: '+84909123456', passwordHash: '' };
  let cuts = 0;
  proxy.cutAt((data) => /\bcommit\0/.test(data.toString('latin1')) && ++cuts === 1, when);
  const { token } = await sessions.begin(user, (tx) => users.add(tx, { ...user, createdAt: new Date() }));
  expect(token).toMatch(/^ey/);
  expect(cuts).toBe(2);
  expect((await direct.query.select().from(bankUser)).map((row) => row.id)).toEqual([id]);
  expect((await direct.query.select().from(session)).map(({ sid }) => `session:${sid}`)).toEqual([...kept.keys()]);
});
