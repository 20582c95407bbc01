import { and, notInArray, type SQL, sql } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { Database } from '../database.ts';
import { prefixLength, type SecretBox, sealedMark, wrongKey } from './secret-box.ts';

/** A column with encrypted secrets, of type text, or of type jsonb with the encrypted text as a JSON string. */
export interface SealedColumn {
  table: PgTable;
  /** The primary key, of type text or uuid. */
  id: PgColumn;
  column: PgColumn;
  purpose: string;
}

/**
 * Checks that all secrets can be decrypted, before a service starts to work with them.
 *
 * @throws CodedError SECRETS_KEY_WRONG, naming the key that is missing
 */
export async function assertReadable(
  { query }: Pick<Database, 'query'>,
  box: SecretBox,
  columns: readonly SealedColumn[],
): Promise<void> {
  for (const each of columns) {
    const [unknown] = await query
      .select({ prefix: prefixOf(each) })
      .from(each.table)
      .where(and(isSealed(each), notInArray(prefixOf(each), [...box.prefixes])))
      .limit(1);
    if (unknown) throw wrongKey(unknown.prefix, each.purpose);
  }
}

/** Whether any secret of the columns is encrypted. */
export async function isAnySealed(
  { query }: Pick<Database, 'query'>,
  columns: readonly SealedColumn[],
): Promise<boolean> {
  for (const each of columns) {
    const rows = await query
      .select({ prefix: prefixOf(each) })
      .from(each.table)
      .where(isSealed(each))
      .limit(1);
    if (rows.length > 0) return true;
  }
  return false;
}

/**
 * Returns the SQL for the part of an encrypted text that names the key. The column has an index on the same expression.
 */
export function prefixOf({ column }: Pick<SealedColumn, 'column'>): SQL<string> {
  const text = column.getSQLType() === 'jsonb' ? sql`(${column} #>> '{}')` : sql`${column}`;
  return sql<string>`left(${text}, ${sql.raw(String(prefixLength))})`;
}

function isSealed(each: SealedColumn): SQL {
  return sql`${prefixOf(each)} like ${`${sealedMark}%`}`;
}
