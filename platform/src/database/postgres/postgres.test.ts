import { sql } from 'drizzle-orm';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { isRetryable } from '../../errors.ts';
import { silentLog } from '../../process/log.ts';
import { databaseContract } from '../../testing/contract/database.ts';
import { createMemoryLog } from '../../testing/log.ts';
import { migrationsFolder } from '../../testing/migrations-folder.ts';
import { createRealDatabase, openRealDatabase, realEngines } from '../../testing/real-engines.ts';
import { platformMigrations } from '../migrations.ts';
import { openPostgres } from './postgres.ts';

describe('the database port on PostgreSQL', () => {
  databaseContract(() => openRealDatabase());

  it('notifies listeners, even after their connection was cut', async () => {
    await using database = await openRealDatabase();
    const heard: string[] = [];
    await using _listening = await database.listen('news', (text) => heard.push(text));
    const notify = (text: string) => database.transaction((tx) => tx.execute(sql`select pg_notify('news', ${text})`));
    await notify('one');
    await expect.poll(() => heard).toContain('one');
    await database.query.execute(
      sql`select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %' and datname = current_database()`,
    );
    await expect
      .poll(async () => {
        await notify('two');
        return heard;
      })
      .toContain('two');
  });

  it('throws retryable errors for outages, and the database’s own error otherwise', async () => {
    await using database = await openRealDatabase();
    const wrong = database.query.execute(sql`select * from nothing`);
    await expect(wrong).rejects.toSatisfy((error) => !isRetryable(error));
    const cut = database.transaction(async (tx) => {
      await tx.execute(sql`select pg_terminate_backend(pg_backend_pid())`);
    });
    await expect(cut).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true });
    const slow = await openPostgres({ url: database.url, log: silentLog, statementTimeoutMs: 100 });
    await expect(slow.query.execute(sql`select pg_sleep(10)`)).rejects.toSatisfy(isRetryable);
    await slow[Symbol.asyncDispose]();
    await expect(database.query.execute(sql`select 1`)).resolves.toBeDefined();
  });

  it.each([3_600_000, -3_600_000])('keeps its time when the machine’s clock is set by %i ms', async (byMs) => {
    // Regression: after the clock was set, all times were wrong for up to a minute. Requests seemed late, or in the
    // future.
    await using database = await openRealDatabase();
    onTestFinished(() => void vi.useRealTimers());
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + byMs });
    const { rows } = await database.query.execute<{ now: number }>(
      sql`select (extract(epoch from clock_timestamp()) * 1000)::int8 as now`,
    );
    expect(Math.abs(database.now() - Number(rows[0]?.now))).toBeLessThan(5_000);
  });

  it('reports in a ping whether it is read-only', async () => {
    await using database = await openRealDatabase();
    expect(await database.ping()).toBe('ok');
    await using readOnly = await openPostgres({
      url: `${database.url}?options=-c%20default_transaction_read_only%3Don`,
      log: silentLog,
    });
    expect(await readOnly.ping()).toBe('degraded');
  });

  it('migrates once for concurrent processes', async () => {
    await using fresh = await createRealDatabase();
    const databases = await Promise.all([1, 2, 3].map(() => openPostgres({ url: fresh.url, log: silentLog })));
    await Promise.all(databases.map((database) => database.migrate(platformMigrations)));
    await Promise.all(databases.map((database) => database[Symbol.asyncDispose]()));
  });

  it('does not block others while a migration waits for a long transaction', async () => {
    // Regression: a migration waited for a backup to end, and all readers and writers of the table waited behind the
    // migration.
    await using database = await openRealDatabase();
    const log = createMemoryLog();
    await using migrating = await openPostgres({ url: database.url, log });
    await using folder = await migrationsFolder({ '0000_column': 'alter table platform.lease add column note text' });
    await using reader = await database.openSession();
    await reader.query('begin');
    await reader.query('select from platform.lease');
    const migrated = migrating.migrate({ schema: 'late', folder: folder.folder });
    await expect.poll(() => log.text).toContain('a table is in use');
    await database.query.execute(sql`select from platform.lease`);
    await reader.query('commit');
    await migrated;
    await database.query.execute(sql`select note from platform.lease`);
  });

  it('migrates a read-only database without missing migrations', async () => {
    // Regression: neither a service nor an operator's command could start on a read-only database.
    await using database = await openRealDatabase();
    const name = new URL(database.url).pathname.slice(1);
    await database.query.execute(sql.raw(`alter database ${name} set default_transaction_read_only = on`));
    await using readOnly = await openPostgres({ url: database.url, log: silentLog });
    await readOnly.migrate(platformMigrations);
    await using folder = await migrationsFolder({ '0000_note': 'create table late.note (text text)' });
    await expect(readOnly.migrate({ schema: 'late', folder: folder.folder })).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    });
  });
});

// Regression: a wrong user name and a missing database were reported as a database that does not answer.
it.each([
  ['is down', () => 'postgres://x:secret@127.0.0.1:9/x', 'connect ECONNREFUSED 127.0.0.1:9'],
  ['does not exist', () => new URL('/nothing', realEngines().DATABASE_URL).href, 'database "nothing" does not exist'],
])('postgres: reports at the start that the database %s', async (_, urlOf, reason) => {
  const opening = openPostgres({ url: urlOf(), log: silentLog });
  await expect(opening).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
    message: expect.stringContaining(reason),
  });
  await expect(opening).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
});
