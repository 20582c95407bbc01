import { getTableConfig, jsonb, type PgSchema, text } from 'drizzle-orm/pg-core';
import type { JWK } from 'jose';
import { instant } from '../database/columns.ts';
import type { SealedColumn } from '../secrets/sealed-columns.ts';

/** Defines the table of a service's signing keys, in the service's PostgreSQL schema. */
export function signingKeyTable<Name extends string>(schema: PgSchema<Name>) {
  return schema.table('signing_key', {
    kid: text().primaryKey(),
    /**
     * The encrypted private key, as a string. A value that is an object is a key in plain text, stored by an earlier
     * version.
     */
    privateJwk: jsonb('private_jwk').$type<JWK | string>().notNull(),
    publicJwk: jsonb('public_jwk').$type<JWK>().notNull(),
    createdAt: instant('created_at').notNull(),
    /** The time from which the key is used for signing. */
    signsFrom: instant('signs_from').notNull(),
    /**
     * The time when all signatures of the key have expired, and the key is deleted. Null until another key has replaced
     * this key.
     */
    publishedUntil: instant('published_until'),
  });
}

/** Describes the column of a signing-key table that contains the encrypted private keys. */
export function sealedKeys(table: SigningKeyTable): SealedColumn {
  return { table, id: table.kid, column: table.privateJwk, purpose: purposeOf(table) };
}

function purposeOf(table: SigningKeyTable): string {
  const { schema, name } = getTableConfig(table);
  return `${schema}.${name}`;
}

export type SigningKeyTable = ReturnType<typeof signingKeyTable>;
export type SigningKeyRow = SigningKeyTable['$inferSelect'];
