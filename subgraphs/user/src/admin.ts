import type { Database } from '@voucher-gateway/platform/database';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { assertReadable } from '@voucher-gateway/platform/secrets/sealed-columns';
import type { SecretBox } from '@voucher-gateway/platform/secrets/secret-box';
import type { Topics } from '@voucher-gateway/platform/topics';
import { eq, type SQL } from 'drizzle-orm';
import { endUserSessions } from './end-sessions.ts';
import { userMigrations } from './migrations.ts';
import { revokeKey } from './revoke-key.ts';
import { bankUser, signingKey, userSecrets } from './tables.ts';
import { usernameKey } from './username-key.ts';

/** The database, topics, key-value store and secrets of the user service, for an operator's commands. */
export interface AdminEngines {
  database: Database;
  topics: Pick<Topics, 'publish' | 'publishAll'>;
  /** Called only by commands that need the key-value store. */
  openKeyValue(): Promise<KeyValue>;
  /** Called only by commands that need the secrets. */
  openSecrets(): Promise<SecretBox>;
}

export interface AdminResult {
  /** False if nothing was changed, because the key or user does not exist. */
  done: boolean;
  /** Text to print. */
  message: string;
}

export const adminUsage = `npm run admin -- revoke-key <kid>
    Revokes a signing key: tokens signed with it are rejected, and their sessions end.
npm run admin -- end-sessions <username or user id>
    Ends all sessions of a user.
npm run admin -- list-keys
    Lists the signing keys.`;

export type AdminCommand =
  | { name: 'revoke-key'; kid: string }
  | { name: 'end-sessions'; user: string }
  | { name: 'list-keys' };

/** Parses the arguments of the command line; null if they are not a valid command. */
export function parseAdminCommand(words: readonly string[]): AdminCommand | null {
  const [name, argument, ...others] = words;
  if (others.length > 0) return null;
  if (name === 'revoke-key' && argument) return { name, kid: argument };
  if (name === 'end-sessions' && argument) return { name, user: argument };
  if (name === 'list-keys' && argument === undefined) return { name };
  return null;
}

/**
 * Runs an operator's command.
 * @throws CodedError DATABASE_UNAVAILABLE, SESSION_STORE_UNAVAILABLE, KEY_VALUE_UNAVAILABLE (all retryable); SECRETS_KEY_WRONG
 */
export async function runAdminCommand(engines: AdminEngines, command: AdminCommand): Promise<AdminResult> {
  const { database } = engines;
  await database.migrate(userMigrations);
  switch (command.name) {
    case 'revoke-key': {
      const { kid } = command;
      const secrets = await engines.openSecrets();
      await assertReadable(database, secrets, userSecrets);
      const done = await revokeKey({ ...engines, secrets }, kid);
      const revoked = `The key ${kid} is revoked: its tokens are rejected, and their sessions end.`;
      return { done, message: done ? revoked : `There is no key ${kid}.\n${await listKeys(database)}` };
    }
    case 'end-sessions': {
      const user = await findUser(database, command.user);
      if (!user) return { done: false, message: `There is no user ${command.user}.` };
      await using keyValue = await engines.openKeyValue();
      const ended = await endUserSessions({ ...engines, keyValue }, user.id);
      return { done: true, message: `${ended} ${ended === 1 ? 'session' : 'sessions'} of ${user.username} ended.` };
    }
    case 'list-keys':
      return { done: true, message: await listKeys(database) };
  }
}

async function findUser(database: Database, name: string) {
  const find = async (condition: SQL) => {
    const [user] = await database.query
      .select({ id: bankUser.id, username: bankUser.username })
      .from(bankUser)
      .where(condition);
    return user;
  };
  const isId = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(name);
  // The id is searched first, because a user may have chosen another user's id as username.
  return (isId ? await find(eq(bankUser.id, name)) : undefined) ?? find(eq(bankUser.usernameKey, usernameKey(name)));
}

async function listKeys(database: Database): Promise<string> {
  const keys = await database.query.select().from(signingKey).orderBy(signingKey.signsFrom);
  const now = database.now();
  const state = ({ signsFrom, publishedUntil }: (typeof keys)[number]) => {
    if (publishedUntil) return `no longer signs, is published until ${publishedUntil.toISOString()}`;
    return signsFrom.getTime() > now ? `signs from ${signsFrom.toISOString()}` : 'signs';
  };
  return keys.length === 0 ? 'There are no keys.' : keys.map((key) => `${key.kid}  ${state(key)}`).join('\n');
}
