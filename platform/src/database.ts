import { sql } from 'drizzle-orm';
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';

/** What both adapters answer to `execute`. */
interface Rows<Row> {
  rows: Row[];
}
interface RowsHKT extends PgQueryResultHKT {
  type: Rows<this['row']>;
}

/** drizzle's query interface, the same over PGlite and over PostgreSQL. */
export type Queryable = PgDatabase<RowsHKT, Record<string, never>>;

/** A transaction's handle: the only database handle that may be used until it ends. */
export type Transaction = Queryable;

/**
 * The database port. Adapters: `database/pglite` (embedded) and PostgreSQL over `pg`.
 *
 * Inside `transaction` only its handle is used, and nothing but the database is awaited: PGlite has
 * one connection, and a pool runs dry the same way. Any use of `query`, or of `transaction`, from
 * inside one throws NESTED_DATABASE_USE on both adapters.
 */
export interface Database extends AsyncDisposable {
  /** Statements outside a transaction, each on its own. Throws NESTED_DATABASE_USE inside one. */
  readonly query: Queryable;
  /** Runs `work` in one transaction: committed when it resolves, rolled back when it throws. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Calls `onNotify` with the payload of each NOTIFY on `channel`, after its transaction committed. */
  listen(channel: string, onNotify: (payload: string) => void): Promise<AsyncDisposable>;
  /** The database's clock in milliseconds since the epoch: the one that times are compared by across processes. */
  now(): number;
  /** Applies a context's migrations into its schema; several processes may call it together. */
  migrate(migrations: Migrations): Promise<void>;
  /** Resolves when the database answers, else throws DATABASE_UNAVAILABLE. */
  ping(): Promise<void>;
}

/** A connection of its own, for what lives as long as a connection does. */
export interface DatabaseSession extends AsyncDisposable {
  /** Aborts when the connection is lost. */
  readonly signal: AbortSignal;
  /** Throws DATABASE_UNAVAILABLE. */
  query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
}

export interface Migrations {
  /** The context's PostgreSQL schema, which also holds its migrations table. */
  schema: string;
  /** Absolute path of a folder made by `drizzle-kit generate`. */
  folder: string;
}

/** The constraint or index that a failed statement violated as unique, or null for any other error. */
export function violatedUnique(error: unknown): string | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, constraint } = cause as { code?: unknown; constraint?: unknown };
    if (code === '23505') return typeof constraint === 'string' ? constraint : '';
  }
  return null;
}

/** Takes an advisory lock for the rest of the transaction; false when another transaction has it. */
export async function tryTransactionLock(tx: Transaction, name: string): Promise<boolean> {
  const { rows } = await tx.execute<{ taken: boolean }>(
    sql`select pg_try_advisory_xact_lock(hashtext(${name})) as taken`,
  );
  return rows[0]?.taken === true;
}
