import { jsonb, type PgSchema, text } from 'drizzle-orm/pg-core';
import type { JWK } from 'jose';
import { instant } from '../database/columns.ts';

/** The table of a context's signing keys, in its schema. */
export function signingKeyTable<Name extends string>(schema: PgSchema<Name>) {
  return schema.table('signing_key', {
    kid: text().primaryKey(),
    privateJwk: jsonb('private_jwk').$type<JWK>().notNull(),
    publicJwk: jsonb('public_jwk').$type<JWK>().notNull(),
    createdAt: instant('created_at').notNull(),
    /** The time from which it signs. */
    signsFrom: instant('signs_from').notNull(),
    /** When nothing that it has signed is of use any more, and the key is deleted. Null until another has replaced it. */
    publishedUntil: instant('published_until'),
  });
}

export type SigningKeyTable = ReturnType<typeof signingKeyTable>;
export type SigningKeyRow = SigningKeyTable['$inferSelect'];
