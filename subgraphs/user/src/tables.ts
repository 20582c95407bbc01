import { instant } from '@voucher-gateway/platform/database/columns';
import { index, jsonb, pgSchema, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import type { JWK } from 'jose';

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

/** The sessions of each user. They are stored in the key-value store, which can't be searched by user. */
export const session = schema.table(
  'session',
  {
    sid: uuid().primaryKey(),
    userId: uuid('user_id').notNull(),
    /** When its token expires, and the row is deleted. */
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [index('session_by_user').on(table.userId), index('session_by_expiry').on(table.expiresAt)],
);

export const signingKey = schema.table('signing_key', {
  kid: text().primaryKey(),
  privateJwk: jsonb('private_jwk').$type<JWK>().notNull(),
  publicJwk: jsonb('public_jwk').$type<JWK>().notNull(),
  createdAt: instant('created_at').notNull(),
  /** The time from which it signs. */
  signsFrom: instant('signs_from').notNull(),
  /** When its last token expires, and the key is deleted. Null until another key has replaced it. */
  publishedUntil: instant('published_until'),
});
