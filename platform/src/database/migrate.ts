import { sql } from 'drizzle-orm';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import type { Migrations, Queryable } from '../database.ts';

/**
 * Time limit for a migration to get a table lock. While the migration waits, later readers and writers of the table
 * wait behind it. After `deadlock_timeout` (1 s), PostgreSQL cancels an autovacuum that blocks the migration. The limit
 * is therefore longer than 1 s.
 */
const lockWithinMs = 3_000;

/**
 * Applies a service's migrations in one transaction. An advisory lock makes concurrent processes take turns.
 *
 * Each schema has a separate migrations table. In drizzle's default table, the migrations of two folders would be
 * mixed, and some silently skipped. If no migration is missing, nothing is written, so that a read-only database works.
 */
export async function applyMigrations(tx: Queryable, { schema, folder }: Migrations): Promise<void> {
  const migrations = readMigrationFiles({ migrationsFolder: folder });
  const table = sql`${sql.identifier(schema)}.${sql.identifier('migrations')}`;
  const readMissing = async () => {
    const { rows } = await tx.execute<{ hash: string }>(sql`select hash from ${table}`);
    const applied = new Set(rows.map((row) => row.hash));
    return migrations.filter(({ hash }) => !applied.has(hash));
  };
  const { rows: found } = await tx.execute(
    sql`select from pg_tables where schemaname = ${schema} and tablename = 'migrations'`,
  );
  if (found.length > 0 && (await readMissing()).length === 0 && isOnPath(await readSearchPath(tx), schema)) return;

  await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`migrations:${schema}`}))`);
  await tx.execute(sql`create schema if not exists ${sql.identifier(schema)}`);
  await tx.execute(
    sql`create table if not exists ${table} (hash text primary key, created_at bigint not null, applied_at timestamptz not null default now())`,
  );
  await tx.execute(sql.raw(`set local lock_timeout = ${lockWithinMs}`));
  for (const migration of await readMissing()) {
    for (const statement of migration.sql) await tx.execute(sql.raw(statement));
    await tx.execute(
      sql`insert into ${table} (hash, created_at) values (${migration.hash}, ${migration.folderMillis})`,
    );
  }
  await tx.execute(sql`set local lock_timeout = 0`);
  await extendSearchPath(tx, schema);
}

/** Adds the schema to the database's search_path, so that operators can name its tables without the schema. */
async function extendSearchPath(tx: Queryable, schema: string): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('search_path'))`);
  const current = await readSearchPath(tx);
  if (isOnPath(current, schema)) return;
  const path = [...current, `"${schema}"`].join(', ');
  const { rows: names } = await tx.execute<{ name: string }>(sql`select current_database() as name`);
  await tx.execute(sql.raw(`alter database "${names[0]?.name.replaceAll('"', '""')}" set search_path = ${path}`));
  await tx.execute(sql.raw(`set search_path = ${path}`));
}

/** Reads the database's default search_path. */
async function readSearchPath(tx: Queryable): Promise<string[]> {
  const { rows } = await tx.execute<{ setting: string }>(sql`
    select setting from pg_db_role_setting, unnest(setconfig) as setting
    where setdatabase = (select oid from pg_database where datname = current_database()) and setrole = 0 and setting like 'search_path=%'`);
  return (rows[0]?.setting.replace('search_path=', '') ?? 'public').split(',').map((name) => name.trim());
}

function isOnPath(path: readonly string[], schema: string): boolean {
  return path.some((name) => name.replaceAll('"', '') === schema);
}
