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

export const signingKey = schema.table(
  'signing_key',
  {
    kid: text().primaryKey(),
    privateJwk: jsonb('private_jwk').$type<JWK>().notNull(),
    publicJwk: jsonb('public_jwk').$type<JWK>().notNull(),
    createdAt: instant('created_at').notNull(),
    /** From when it signs. */
    signsFrom: instant('signs_from').notNull(),
    /** From when it is published no more: when its last token is dead. Null while it signs or will. */
    publishedUntil: instant('published_until'),
  },
  (table) => [index('signing_key_by_age').on(table.signsFrom)],
);
