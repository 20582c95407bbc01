import { getTableColumns, type SQL, sql } from 'drizzle-orm';
import { type AnyPgColumn, PgJsonb, type PgTable } from 'drizzle-orm/pg-core';

/** Quotes an SQL name. It returns a string and no `sql` object, because drizzle takes time for each `sql` object. */
const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

/**
 * Builds a SELECT over one JSON parameter, for `insert(table).select(...)`. The statement's text is the same for any
 * number of rows. drizzle's `values` would make one parameter of each value: 1,000 for 100 rows of ten columns.
 * Processing these parameters takes longer than storing the rows.
 *
 * @param computed the SQL of each computed column, by the column's name. The SQL can refer to the input row as `input`.
 *   A column that is neither in the input nor computed gets its default
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
    if (isGiven.has(key)) return sql.raw(`input.${quote(column.name)}`);
    return column.default === undefined ? sql.raw('null') : sql`${column.default}`;
  });
  const types = given.map(([, column]) => `${quote(column.name)} ${column.getSQLType()}`).join(', ');
  const records = rows.map((row) =>
    Object.fromEntries(
      given.map(([key, column]) => [column.name, toJson(column, (row as Record<string, unknown>)[key])]),
    ),
  );
  return sql`select ${sql.join(values, sql`, `)} from ${recordset(records, types)}`;
}

/**
 * Builds FROM and WHERE for an update of the rows with these ids. In the SQL of the update, `input` is the input row.
 * The condition repeats the ids: with the recordset alone, PostgreSQL's planner assumes 100 rows, and scans the table.
 *
 * @param id the table's id column; the input rows have a column of the same name
 * @param types SQL types of the input rows' columns, by name
 */
export function joinById<Row extends object>(
  id: AnyPgColumn,
  rows: readonly Row[],
  types: Record<keyof Row & string, string>,
): { from: SQL; isJoined: SQL } {
  const columns = Object.entries(types).map(([name, type]) => `${name} ${type}`);
  const ids = rows.map((row) => (row as Record<string, string>)[id.name] as string);
  return {
    from: recordset(rows, columns.join(', ')),
    isJoined: sql`(${id} = ${sql.raw(`input.${quote(id.name)}`)} and ${isAnyId(id, ids)})`,
  };
}

function recordset(rows: readonly object[], types: string): SQL {
  return sql`json_to_recordset(${asJson(rows)}::json) as ${sql.raw(`input (${types})`)}`;
}

/** Writes JSON for a PostgreSQL parameter. Lone surrogates, which PostgreSQL rejects, become replacement characters. */
export function asJson(value: unknown): string {
  return JSON.stringify(value, (_, each) => (typeof each === 'string' ? each.toWellFormed() : each));
}

/** Builds the condition that a column equals one of the ids. All ids are sent as one array parameter. */
export function isAnyId(column: AnyPgColumn, ids: readonly (string | number)[], type: 'uuid' | 'bigint' = 'uuid'): SQL {
  return sql`${column} = any(${`{${ids.join(',')}}`}::${sql.raw(type)}[])`;
}

function toJson(column: AnyPgColumn, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  return column instanceof PgJsonb ? value : column.mapToDriverValue(value);
}
