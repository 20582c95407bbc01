import { getTableConfig, jsonb, type PgSchema, text } from 'drizzle-orm/pg-core';
import type { JWK } from 'jose';
import { instant } from '../database/columns.ts';
import type { SealedColumn } from '../secrets/sealed-columns.ts';

/** The table of a context's signing keys, in its schema. */
export function signingKeyTable<Name extends string>(schema: PgSchema<Name>) {
  return schema.table('signing_key', {
    kid: text().primaryKey(),
    /** Sealed, as a string; an object in plain text was stored by an earlier version. */
    privateJwk: jsonb('private_jwk').$type<JWK | string>().notNull(),
    publicJwk: jsonb('public_jwk').$type<JWK>().notNull(),
    createdAt: instant('created_at').notNull(),
    /** The time from which it signs. */
    signsFrom: instant('signs_from').notNull(),
    /** When nothing that it has signed is of use any more, and the key is deleted. Null until another has replaced it. */
    publishedUntil: instant('published_until'),
  });
}

/** Says that the private keys of such a table are sealed. */
export function sealedKeys(table: SigningKeyTable): SealedColumn {
  return { table, id: table.kid, column: table.privateJwk, purpose: purposeOf(table) };
}

function purposeOf(table: SigningKeyTable): string {
  const { schema, name } = getTableConfig(table);
  return `${schema}.${name}`;
}

export type SigningKeyTable = ReturnType<typeof signingKeyTable>;
export type SigningKeyRow = SigningKeyTable['$inferSelect'];
