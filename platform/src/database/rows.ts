import { getTableColumns, type SQL, sql } from 'drizzle-orm';
import { type AnyPgColumn, PgJsonb, type PgTable } from 'drizzle-orm/pg-core';

/** How the rows are called in SQL that computes a column: `input.phone_number`. */
const input = sql.identifier('input');

/**
 * Rows to insert as a SELECT over one JSON parameter, for `insert(table).select(...)`. The statement's text is the same
 * for any number of rows: `values` of a hundred rows has a thousand parameters, which cost more to write, parse and
 * plan than the rows to store.
 *
 * A column that no row has gets its default; one in `computed` is read from SQL, in which `input` is the row.
 */
export function rowsOf<Table extends PgTable>(
  table: Table,
  rows: readonly Partial<Table['$inferInsert']>[],
  computed: Partial<Record<keyof Table['$inferInsert'], SQL>> = {},
): SQL {
  const columns = Object.entries(getTableColumns(table));
  const given = columns.filter(([key]) => rows.some((row) => key in row));
  const isGiven = new Set(given.map(([key]) => key));
  const values = columns.map(([key, column]) => {
    const own = (computed as Record<string, SQL>)[key];
    if (own) return own;
    if (isGiven.has(key)) return sql`${input}.${sql.identifier(column.name)}`;
    return column.default === undefined ? sql`null` : sql`${column.default}`;
  });
  const types = given.map(([, column]) => sql`${sql.identifier(column.name)} ${sql.raw(column.getSQLType())}`);
  const records = rows.map((row) =>
    Object.fromEntries(
      given.map(([key, column]) => [column.name, toJson(column, (row as Record<string, unknown>)[key])]),
    ),
  );
  return sql`select ${sql.join(values, sql`, `)} from json_to_recordset(${asJson(records)}::json) as ${input} (${sql.join(types, sql`, `)})`;
}

/** Values as JSON text that PostgreSQL takes: it refuses the lone surrogates that a cut text may have. */
export function asJson(value: unknown): string {
  return JSON.stringify(value, (_, each) => (typeof each === 'string' ? each.toWellFormed() : each));
}

/** Whether a column has one of the ids; one parameter for all of them. */
export function isAnyId(column: AnyPgColumn, ids: readonly (string | number)[], type: 'uuid' | 'bigint' = 'uuid'): SQL {
  return sql`${column} = any(${`{${ids.join(',')}}`}::${sql.raw(type)}[])`;
}

function toJson(column: AnyPgColumn, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  return column instanceof PgJsonb ? value : column.mapToDriverValue(value);
}
