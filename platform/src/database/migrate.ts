import { sql } from 'drizzle-orm';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import type { Migrations, Queryable } from '../database.ts';

/**
 * Applies a context's migrations in one transaction, under an advisory lock, so that processes that
 * start together take turns. The bookkeeping stands in the context's own schema: drizzle's default
 * table, shared by two folders, would silently skip one of them.
 */
export async function applyMigrations(tx: Queryable, { schema, folder }: Migrations): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`migrations:${schema}`}))`);
  await tx.execute(sql`create schema if not exists ${sql.identifier(schema)}`);
  const table = sql`${sql.identifier(schema)}.${sql.identifier('migrations')}`;
  await tx.execute(
    sql`create table if not exists ${table} (hash text primary key, created_at bigint not null, applied_at timestamptz not null default now())`,
  );
  const { rows } = await tx.execute<{ hash: string }>(sql`select hash from ${table}`);
  const applied = new Set(rows.map((row) => row.hash));
  for (const migration of readMigrationFiles({ migrationsFolder: folder })) {
    if (applied.has(migration.hash)) continue;
    for (const statement of migration.sql) await tx.execute(sql.raw(statement));
    await tx.execute(
      sql`insert into ${table} (hash, created_at) values (${migration.hash}, ${migration.folderMillis})`,
    );
  }
  await extendSearchPath(tx, schema);
}

/** Puts the schema on the database's search_path, so that people find its tables without a prefix. */
async function extendSearchPath(tx: Queryable, schema: string): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('search_path'))`);
  const { rows } = await tx.execute<{ setting: string }>(sql`
    select setting from pg_db_role_setting, unnest(setconfig) as setting
    where setdatabase = (select oid from pg_database where datname = current_database()) and setrole = 0 and setting like 'search_path=%'`);
  const current = (rows[0]?.setting.replace('search_path=', '') ?? 'public').split(',').map((name) => name.trim());
  if (current.some((name) => name.replaceAll('"', '') === schema)) return;
  const path = [...current, `"${schema}"`].join(', ');
  const { rows: names } = await tx.execute<{ name: string }>(sql`select current_database() as name`);
  await tx.execute(sql.raw(`alter database "${names[0]?.name.replaceAll('"', '""')}" set search_path = ${path}`));
  await tx.execute(sql.raw(`set search_path = ${path}`));
}
