import { instant } from '@voucher-gateway/platform/database/columns';
import { sealedKeys, signingKeyTable } from '@voucher-gateway/platform/identity/signing-key-table';
import { index, pgSchema, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';

export const schema = pgSchema('users');

export const bankUser = schema.table(
  'bank_user',
  {
    id: uuid().primaryKey(),
    username: text().notNull(),
    /** The normalised username (`usernameKey`), which is unique. */
    usernameKey: text('username_key').notNull(),
    phoneNumber: text('phone_number').notNull(),
    passwordHash: text('password_hash').notNull(),
    createdAt: instant('created_at').notNull(),
  },
  (table) => [
    uniqueIndex('bank_user_username').on(table.usernameKey),
    uniqueIndex('bank_user_phone_number').on(table.phoneNumber),
  ],
);

/**
 * Lists the sessions of each user. The sessions themselves are in the key-value store, which can't be searched by user.
 */
export const session = schema.table(
  'session',
  {
    sid: uuid().primaryKey(),
    userId: uuid('user_id').notNull(),
    /** When the session's token expires. The row is then deleted. */
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [index('session_by_user').on(table.userId), index('session_by_expiry').on(table.expiresAt)],
);

/** The keys that sign tokens. */
export const signingKey = signingKeyTable(schema);

/** The columns that are encrypted. */
export const userSecrets = [sealedKeys(signingKey)];
