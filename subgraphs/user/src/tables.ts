import { index, jsonb, pgSchema, text, timestamp, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import type { JWK } from 'jose';

export const schema = pgSchema('users');
const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });

export const bankUser = schema.table(
  'bank_user',
  {
    id: uuid().primaryKey(),
    username: text().notNull(),
    /** The username in lower case: what is unique. */
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

/** Which sessions a user may have: the key-value store, where they live, can't be searched by user. */
export const session = schema.table(
  'session',
  {
    sid: uuid().primaryKey(),
    userId: uuid('user_id').notNull(),
    /** When its token has expired: the row is then of no use. */
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [index('session_by_user').on(table.userId), index('session_by_expiry').on(table.expiresAt)],
);

export const signingKey = schema.table('signing_key', {
  kid: text().primaryKey(),
  privateJwk: jsonb('private_jwk').$type<JWK>().notNull(),
  publicJwk: jsonb('public_jwk').$type<JWK>().notNull(),
  createdAt: instant('created_at').notNull(),
  /** From when it signs. */
  signsFrom: instant('signs_from').notNull(),
  /** From when it is published no more: when its last token is dead. Null while it signs or will. */
  publishedUntil: instant('published_until'),
});
