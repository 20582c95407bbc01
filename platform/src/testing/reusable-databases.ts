import { PGlite } from '@electric-sql/pglite';
import { openPglite, parsers } from '../database/embedded/pglite.ts';
import type { Migrations } from '../database.ts';

/** Limit of databases that are kept open between tests, because each takes some 200 MB. */
const maxIdle = 2;
/** A database that can't be emptied within this time, in milliseconds, is closed: a transaction may block it. */
const emptyWithinMs = 5_000;
/** Size of a table in bytes. The rows of tables up to this size are deleted; larger tables are truncated. */
const maxDeletedBytes = 65_536;

export interface ReusableDatabases {
  /**
   * Returns a database with the template's content and the empty tables of these migrations. Closing the database
   * returns it to the pool.
   */
  take(migrations?: readonly Migrations[]): Promise<PGlite>;
}

/**
 * Opens databases from a template, and empties closed databases for reuse. The tables that migrations have created are
 * kept for the next test with the same migrations, because creating tables would take most of a test's time.
 */
export function createReusableDatabases(template: () => Promise<Blob>): ReusableDatabases {
  const idle: ReusableDatabase[] = [];

  /** Opens a database, or resets an idle database to the template. Then applies the migrations. */
  async function prepare(migrations: readonly Migrations[], key: string): Promise<ReusableDatabase> {
    const other = idle.shift();
    if (other && !(await succeedsInTime(other.restoreTemplate()))) {
      await other.pglite.close();
      return prepare(migrations, key);
    }
    const { pglite, restoreTemplate } = other ?? (await openTemplate(await template()));
    const database = await openPglite({ instance: pglite });
    for (const each of migrations) await database.migrate(each);
    return { pglite, key, restoreTemplate, restore: await captureState(pglite) };
  }

  return {
    async take(migrations = []) {
      const key = JSON.stringify(migrations);
      const found = idle.findIndex((each) => each.key === key);
      const database = idle.splice(found, found < 0 ? 0 : 1)[0] ?? (await prepare(migrations, key));
      return lend(database.pglite, async () => {
        if (idle.length < maxIdle && (await succeedsInTime(database.restore()))) idle.push(database);
        else await database.pglite.close();
      });
    },
  };
}

/** Restores the state of a database that `captureState` has recorded. Rejects if that is not possible. */
type Restore = () => Promise<void>;

interface ReusableDatabase {
  pglite: PGlite;
  /** The applied migrations, as JSON. */
  key: string;
  restore: Restore;
  restoreTemplate: Restore;
}

async function succeedsInTime(work: Promise<unknown>): Promise<boolean> {
  const { promise: tooLate, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), emptyWithinMs);
  const succeeded = work.then(
    () => true,
    () => false,
  );
  return Promise.race([succeeded, tooLate]).finally(() => clearTimeout(timer));
}

async function openTemplate(template: Blob): Promise<Pick<ReusableDatabase, 'pglite' | 'restoreTemplate'>> {
  const pglite = await PGlite.create({ loadDataDir: template, parsers });
  return { pglite, restoreTemplate: await captureState(pglite) };
}

/** Records which schemas and tables exist. Restoring this state also deletes all rows. */
async function captureState(pglite: PGlite): Promise<Restore> {
  const { rows: schemas } = await pglite.query<{ name: string }>(
    `select nspname as name from pg_namespace where nspname !~ '^pg_'`,
  );
  const { rows: tables } = await pglite.query<{ name: string }>(`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname !~ '^pg_' and schemaname <> 'information_schema'`);
  const { rows: settings } = await pglite.query<{ path: string }>(`select current_setting('search_path') as path`);
  const definitions = await readDefinitions(pglite);
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
    alter database postgres set search_path = ${settings[0]?.path};
    set search_path = ${settings[0]?.path};`;
  return async () => {
    // Waits until a transaction that is still running has ended.
    await pglite.transaction(async () => {});
    await pglite.exec('discard all');
    await pglite.exec(emptying);
    if ((await readDefinitions(pglite)) !== definitions) throw new Error('a test has altered a table');
  };
}

/** Returns a text that changes when the definition of a table, index, constraint, trigger or function changes. */
async function readDefinitions(pglite: PGlite): Promise<string> {
  const versions = ['attribute', 'constraint', 'index', 'proc', 'statistic', 'trigger', 'type'].map(
    (catalog) => `(select concat(count(*), '@', max(xmin::text::bigint)) from pg_${catalog})`,
  );
  const { rows } = await pglite.query<{ text: string }>(`select concat_ws(' ', ${versions.join(', ')}) as text`);
  return rows[0]?.text ?? '';
}

/** Wraps a database of the pool. `close` makes the wrapper unusable, and returns the database to the pool. */
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
