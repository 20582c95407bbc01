import { PGlite } from '@electric-sql/pglite';
import { parsers } from '../database/embedded/pglite.ts';

/** Limit of databases that are kept open between tests, because each takes some 200 MB. */
const maxIdle = 2;
/** A database that can't be emptied within this time, in milliseconds, is closed: a transaction may block it. */
const emptyWithinMs = 5_000;
/** Rows of tables up to this many bytes are deleted; larger tables are truncated. */
const maxDeletedBytes = 65_536;

export interface ReusableDatabases {
  /** Returns a database with the template's content. Closing it returns it to the pool. */
  take(): Promise<PGlite>;
}

/** Opens databases from a template, and empties closed ones for reuse. */
export function createReusableDatabases(template: () => Promise<Blob>): ReusableDatabases {
  const idle: EmptyDatabase[] = [];
  return {
    async take() {
      const database = idle.pop() ?? (await openEmpty(await template()));
      return lend(database.pglite, async () => {
        if (idle.length < maxIdle && (await isEmptied(database))) idle.push(database);
        else await database.pglite.close();
      });
    },
  };
}

interface EmptyDatabase {
  pglite: PGlite;
  /** Restores the state that the database had after opening. */
  empty(): Promise<unknown>;
}

async function isEmptied({ empty }: EmptyDatabase): Promise<boolean> {
  const { promise: tooLate, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), emptyWithinMs);
  const emptied = empty().then(
    () => true,
    () => false,
  );
  return Promise.race([emptied, tooLate]).finally(() => clearTimeout(timer));
}

async function openEmpty(template: Blob): Promise<EmptyDatabase> {
  const pglite = await PGlite.create({ loadDataDir: template, parsers });
  const { rows: schemas } = await pglite.query<{ name: string }>(
    `select nspname as name from pg_namespace where nspname !~ '^pg_'`,
  );
  const { rows: tables } = await pglite.query<{ name: string }>(`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname !~ '^pg_' and schemaname <> 'information_schema'`);
  const { rows: settings } = await pglite.query<{ path: string }>(`select current_setting('search_path') as path`);
  const literals = (names: readonly { name: string }[]) =>
    names.map(({ name }) => `'${name.replaceAll("'", "''")}'`).join(', ');
  const emptying = `
    do $$ declare each record; begin
      for each in select format('%I', nspname) as name from pg_namespace
        where nspname !~ '^pg_' and nspname not in (${literals(schemas)}) loop
        execute 'drop schema ' || each.name || ' cascade';
      end loop;
      for each in select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname !~ '^pg_' and schemaname <> 'information_schema'
          and format('%I.%I', schemaname, tablename) not in (${literals(tables)}) loop
        execute 'drop table ' || each.name || ' cascade';
      end loop;
      -- What refers to a row is deleted, too.
      set local session_replication_role = replica;
      for each in select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname !~ '^pg_' and schemaname <> 'information_schema'
          and tablename not in ('migrations', 'version') loop
        -- A truncation costs as much for one row as for a million; what was deleted slows down who reads on.
        if pg_relation_size(each.name::regclass) > ${maxDeletedBytes} then execute 'truncate ' || each.name || ' cascade';
        else execute 'delete from ' || each.name; end if;
      end loop;
      for each in select format('%I.%I', schemaname, sequencename)::regclass as id, start_value from pg_sequences
        where last_value is not null and schemaname !~ '^pg_' loop
        perform setval(each.id, each.start_value, false);
      end loop;
    end $$;
    alter database postgres set search_path = ${settings[0]?.path};`;
  return {
    pglite,
    async empty() {
      // Waits until a transaction that is still running has ended.
      await pglite.transaction(async () => {});
      await pglite.exec('discard all');
      await pglite.exec(emptying);
    },
  };
}

/** Lends a database. `close` makes it unusable for the borrower, and the database is reused later. */
function lend(pglite: PGlite, giveBack: () => Promise<void>): PGlite {
  let isClosed = false;
  return new Proxy(pglite, {
    get(target, property) {
      if (property === 'closed') return isClosed;
      if (property === 'close')
        return async () => {
          if (isClosed) return;
          isClosed = true;
          await giveBack();
        };
      const value = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (isClosed) throw new Error('PGlite is closed');
        return value.apply(target, args);
      };
    },
  });
}
