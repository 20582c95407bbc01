import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import type { Database } from '../../database.ts';
import { codedCause, publicError } from '../../errors.ts';
import { silentLog } from '../../process/log.ts';
import { openRealDatabase } from '../../testing/real-engines.ts';
import { startTcpProxy } from '../../testing/tcp-proxy.ts';
import { connectionConfig, OutageClient } from './client.ts';
import { openPostgres } from './postgres.ts';

const poolSize = 3;
const away = { code: 'DATABASE_UNAVAILABLE', retryable: true };

/** Opens a database directly, and a second time through a proxy that can cause faults. */
async function setUp({ queryTimeoutMs = 10_000, stopping }: { queryTimeoutMs?: number; stopping?: AbortSignal } = {}) {
  await using releases = new AsyncDisposableStack();
  const direct = releases.use(await openRealDatabase());
  await direct.query.execute(sql`create table note (text text)`);
  const proxy = releases.use(await startTcpProxy(direct.url));
  const database = releases.use(
    await openPostgres({
      url: proxy.url,
      log: silentLog,
      poolSize,
      statementTimeoutMs: queryTimeoutMs,
      queryTimeoutMs,
      stopping,
    }),
  );
  const owned = releases.move();
  return {
    direct,
    proxy,
    database,
    write: (text: string) => database.transaction((tx) => tx.execute(sql`insert into note values (${text})`)),
    read: async () => (await direct.query.execute<{ text: string }>(sql`select text from note`)).rows,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * Uses all connections of the pool at the same time, to check that none was lost and that none is still in a
 * transaction.
 */
async function expectWhole(database: Database): Promise<void> {
  const inside = Array.from({ length: poolSize }, () => Promise.withResolvers<void>());
  const all = Promise.all(inside.map(({ promise }) => promise));
  await Promise.all(
    inside.map(({ resolve }) =>
      database.transaction(async (tx) => {
        await tx.execute(sql`insert into note values ('whole')`);
        resolve();
        await all;
      }),
    ),
  );
}

describe('transactions on PostgreSQL', () => {
  // Regression: drizzle sent BEGIN outside of its `try`, and each failed BEGIN leaked a connection.
  it('keep the pool whole when their BEGIN is cut, more often than it has connections', async () => {
    await using set = await setUp();
    const stopCutting = set.proxy.cutAt(/\bbegin\0/, 'before');
    for (let time = 0; time < 2 * poolSize; time += 1) await expect(set.write('lost')).rejects.toMatchObject(away);
    stopCutting();
    await expectWhole(set.database);
  });

  it('keep the pool whole when their ROLLBACK is cut, and throw what the work threw', async () => {
    await using set = await setUp();
    const stopCutting = set.proxy.cutAt(/\brollback\0/, 'before');
    const failing = () =>
      set.database.transaction(async () => {
        throw new Error('changed my mind');
      });
    for (let time = 0; time < 2 * poolSize; time += 1) await expect(failing()).rejects.toThrow('changed my mind');
    stopCutting();
    await expectWhole(set.database);
  });

  it('keep the pool whole when their connections are terminated 30 times', async () => {
    await using set = await setUp();
    for (let time = 0; time < 30; time += 1) {
      const cut = set.database.transaction(async (tx) => {
        await tx.execute(sql`insert into note values ('lost')`);
        await tx.execute(sql`select pg_terminate_backend(pg_backend_pid())`);
      });
      await expect(cut).rejects.toMatchObject(away);
    }
    await expectWhole(set.database);
    expect(await set.read()).toEqual(Array.from({ length: poolSize }, () => ({ text: 'whole' })));
  });

  it.each(['after', 'before'] as const)('report an unknown outcome when COMMIT is cut %s it arrived', async (when) => {
    await using set = await setUp();
    const stopCutting = set.proxy.cutAt(/\bcommit\0/, when);
    const unknown = await set.write('perhaps').then(
      () => null,
      (error: unknown) => error,
    );
    expect(unknown).toMatchObject({ code: 'COMMIT_UNKNOWN', retryable: true });
    expect(publicError(unknown)).toMatchObject({ code: 'SERVICE_UNAVAILABLE', details: { outcome: 'unknown' } });
    stopCutting();
    await expect.poll(set.read).toEqual(when === 'after' ? [{ text: 'perhaps' }] : []);
    await expectWhole(set.database);
  });

  // PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK and reports no error.
  it('fail when a statement failed and its error was caught', async () => {
    await using set = await setUp();
    const swallowing = set.database.transaction(async (tx) => {
      await tx.execute(sql`insert into note values ('lost')`);
      await tx.execute(sql`select * from nothing`).catch(() => {});
    });
    await expect(swallowing).rejects.toThrow('it was rolled back');
    expect(await set.read()).toEqual([]);
  });

  it('fail with a retryable error when the database is read-only', async () => {
    await using set = await setUp();
    const setReadOnly = (value: string) =>
      set.direct.query.execute(
        sql.raw(`alter database "${new URL(set.direct.url).pathname.slice(1)}" set default_transaction_read_only = ${value};
          select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`),
      );
    await setReadOnly('on');
    await expect
      .poll(() => set.write('refused').catch((error: unknown) => (error as Error).message))
      .toBe('The database is read-only.');
    const refused = await set.write('refused').catch((error: unknown) => error);
    expect(refused).toMatchObject(away);
    expect(publicError(refused)).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true });
    await set.direct.query.execute(sql`set default_transaction_read_only = off`);
    await setReadOnly('off');
    await expect.poll(() => set.write('taken').then(() => 'taken', String)).toBe('taken');
  });
});

describe('a silent PostgreSQL with open connections', () => {
  // Regression: the client had no time-out, so two stuck batches were enough to block all further requests.
  it('fails statements after their time-out, and is used again afterwards', async () => {
    await using set = await setUp({ queryTimeoutMs: 300 });
    await expectWhole(set.database);
    set.proxy.silence();
    const asked = [
      ...Array.from({ length: poolSize }, () => set.write('lost')),
      set.database.ping(),
      set.database.query.execute(sql`select 1`),
    ];
    for (const error of await Promise.all(asked.map((one) => one.then(() => null, codedCause))))
      expect(error).toMatchObject(away);
    set.proxy.restore();
    await expectWhole(set.database);
  });

  it('makes its listeners reconnect, so that they receive later notifications', async () => {
    await using set = await setUp();
    const heard: string[] = [];
    await using _listening = await set.database.listen('news', (text) => heard.push(text));
    const { taken } = set.proxy;
    set.proxy.silence();
    await set.proxy.untilTaken(taken + 1);
    set.proxy.restore();
    await expect
      .poll(async () => {
        await set.direct.query.execute(sql`select pg_notify('news', 'back')`);
        return heard;
      })
      .toContain('back');
  });

  it('does not block disposal', async () => {
    await using set = await setUp({ queryTimeoutMs: 600_000 });
    await expectWhole(set.database);
    await using session = await set.database.openSession();
    await using listening = await set.database.listen('news', () => {});
    set.proxy.silence();
    const asked = set.database.query.execute(sql`select 1`).catch((error: unknown) => error);
    await listening[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    await set.database[Symbol.asyncDispose]();
    expect(await asked).toMatchObject({ cause: away });
  });

  it('is abandoned by a process that stops, with all its statements', async () => {
    // Regression: at a stop, statements were awaited one after another, so that services were killed after 10 s, with
    // exit code 1.
    const stopping = new AbortController();
    await using set = await setUp({ queryTimeoutMs: 600_000, stopping: stopping.signal });
    await expectWhole(set.database);
    await using session = await set.database.openSession();
    set.proxy.silence();
    const asked = [
      ...Array.from({ length: 2 * poolSize }, () => set.write('lost')),
      session.query('select 1'),
      set.database.openSession(),
    ];
    const answers = Promise.all(asked.map((one) => one.then(() => null, codedCause)));
    stopping.abort();
    for (const error of await answers) expect(error).toMatchObject(away);
    // A connection that is opened after the stop fails immediately, and does not wait for the time-out.
    const client = new OutageClient(connectionConfig(set.proxy.url, { queryTimeoutMs: 600_000 }));
    const another = client.connect().catch(() => 'timed out');
    expect(await Promise.race([set.write('late').catch(codedCause), another])).toMatchObject(away);
  });

  it('is awaited by a process that stops if it is only slow', async () => {
    const stopping = new AbortController();
    await using set = await setUp({ queryTimeoutMs: 600_000, stopping: stopping.signal });
    await expectWhole(set.database);
    await using blocker = await set.direct.openSession();
    await blocker.query('select pg_advisory_lock(1)');
    const slow = Array.from({ length: poolSize }, () =>
      set.database.query.execute(sql`select pg_advisory_lock_shared(1)`),
    );
    const { taken } = set.proxy;
    stopping.abort();
    // A stopping process checks on new connections whether the database answers. It opens a third connection only after
    // two answers.
    await set.proxy.untilTaken(taken + 3);
    await blocker.query('select pg_advisory_unlock(1)');
    await expect(Promise.all(slow)).resolves.toHaveLength(poolSize);
  });
});

describe('connections to PostgreSQL', () => {
  // Regression: the pool threw these errors without a code. So consumers did not take them for an outage, and moved
  // messages to the dead-letter topic instead of retrying them.
  it('report an outage when terminated or cut, even outside of a transaction', async () => {
    await using set = await setUp();
    const terminated = set.database.query.execute(sql`select pg_terminate_backend(pg_backend_pid()), pg_sleep(1)`);
    await expect(terminated).rejects.toMatchObject({ cause: away });
    const cut = set.database.query.execute(sql`select 'one that runs', pg_sleep(10)`).catch(codedCause);
    await expect
      .poll(async () => {
        const { rows } = await set.direct.query.execute(
          sql`select pid from pg_stat_activity where query like '%one that runs%' and pid <> pg_backend_pid()`,
        );
        return rows.length;
      })
      .toBe(1);
    set.proxy.cut();
    expect(await cut).toMatchObject(away);
    await expect(set.database.query.execute(sql`select 1`)).rejects.toMatchObject({ cause: away });
  });

  it('are closed by the server soon after their client vanishes', async () => {
    await using set = await setUp();
    const { rows } = await set.database.query.execute(
      sql`select name, setting from pg_settings where name ~ '^(tcp_|idle_in_transaction)' order by name`,
    );
    expect(rows).toEqual([
      { name: 'idle_in_transaction_session_timeout', setting: '10000' },
      { name: 'tcp_keepalives_count', setting: '5' },
      { name: 'tcp_keepalives_idle', setting: '5' },
      { name: 'tcp_keepalives_interval', setting: '2' },
      { name: 'tcp_user_timeout', setting: '15000' },
    ]);
  });

  it('keep the options of their URL', async () => {
    await using set = await setUp();
    const url = new URL(set.direct.url);
    url.searchParams.set('options', '-c tcp_user_timeout=7000 -c work_mem=5MB');
    await using database = await openPostgres({ url: url.href, log: silentLog });
    const { rows } = await database.query.execute(
      sql`select current_setting('tcp_user_timeout') as tcp, current_setting('work_mem') as mem, current_setting('tcp_keepalives_idle') as idle`,
    );
    expect(rows).toEqual([{ tcp: '7000', mem: '5MB', idle: '5' }]);
  });

  // Regression: EPIPE, which has five capital letters, was taken for an SQLSTATE, and so for a fault of the statement.
  it('report an outage when they break with EPIPE', async () => {
    await using set = await setUp();
    const client = new OutageClient({ connectionString: set.direct.url });
    await client.connect();
    const asked = client.query('select pg_sleep(10)');
    const { stream } = (client as unknown as { connection: { stream: import('node:net').Socket } }).connection;
    stream.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    await expect(asked).rejects.toMatchObject(away);
  });
});
