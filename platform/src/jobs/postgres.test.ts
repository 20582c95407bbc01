import { sql } from 'drizzle-orm';
import { describe, expect, it, vi } from 'vitest';
import { silentLog } from '../process/log.ts';
import { jobsContract } from '../testing/contract/jobs.ts';
import { openRealDatabase } from '../testing/real-engines.ts';
import { startTcpProxy } from '../testing/tcp-proxy.ts';
import { createJobs } from './pg-boss.ts';

describe('the jobs port on pg-boss in PostgreSQL', () => {
  jobsContract(async () => {
    await using releases = new AsyncDisposableStack();
    const database = releases.use(await openRealDatabase());
    const jobs = releases.use(await createJobs({ database: { url: database.url }, log: silentLog }));
    const owned = releases.move();
    return { database, jobs, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  });

  // Regression: pg-boss's own pool has no time-out. A worker whose poll got no answer ran no more jobs.
  it('runs jobs after the database was silent, on a new connection', async () => {
    await using database = await openRealDatabase();
    await using proxy = await startTcpProxy(database.url);
    await using jobs = await createJobs({ database: { url: proxy.url, queryTimeoutMs: 300 }, log: silentLog });
    const queue = { name: 'tasks' };
    await jobs.declare(queue);
    const ran = Promise.withResolvers<void>();
    await using _worker = await jobs.work(queue, async () => ran.resolve());
    const { taken } = proxy;
    proxy.silence();
    await database.transaction((tx) => jobs.schedule(tx, queue, {}));
    await proxy.untilTaken(taken + 1);
    proxy.restore();
    await ran.promise;
  });

  // Regression: a worker fetched a job from the database, but the response was lost. The job stayed active for minutes,
  // although no process ran it.
  it('runs a job soon after its time-out when the fetch’s response was lost', async () => {
    await using database = await openRealDatabase();
    await using proxy = await startTcpProxy(database.url);
    await using jobs = await createJobs({
      database: { url: proxy.url },
      log: silentLog,
      superviseEverySeconds: 1,
    });
    const queue = { name: 'tasks', timeoutMs: 1_000 };
    await jobs.declare(queue);
    const id = await database.transaction((tx) => jobs.schedule(tx, queue, {}));
    const stopCutting = proxy.cutAt(/SKIP LOCKED[\s\S]*state = 'active'/, 'after');
    const ran = Promise.withResolvers<void>();
    await using _worker = await jobs.work(queue, async () => ran.resolve());
    await expect
      .poll(async () => (await database.query.execute(sql`select id, state from pgboss.job`)).rows)
      .toEqual([{ id, state: 'active' }]);
    stopCutting();
    await ran.promise;
  });

  it('updates a queue of an older version, and keeps jobs over a long outage', async () => {
    await using database = await openRealDatabase();
    await using before = await createJobs({ database: { url: database.url }, log: silentLog });
    await before.declare({ name: 'tasks', timeoutMs: 300_000 });
    await using jobs = await createJobs({ database: { url: database.url }, log: silentLog });
    const queue = { name: 'tasks', timeoutMs: 30_000 };
    await jobs.declare(queue);
    await database.transaction((tx) => jobs.schedule(tx, queue, {}));
    const { rows } = await database.query.execute(
      sql`select expire_seconds, keep_until > now() + interval '9 years' as is_kept from pgboss.job`,
    );
    expect(rows).toEqual([{ expire_seconds: 30, is_kept: true }]);
  });

  it("runs a delayed job by the database's clock, not by the process's", async () => {
    await using database = await openRealDatabase();
    await using jobs = await createJobs({ database: { url: database.url }, log: silentLog });
    const queue = { name: 'tasks' };
    await jobs.declare(queue);
    const anHourAhead = Date.now() + 3_600_000;
    const ran = Promise.withResolvers<void>();
    await using _worker = await jobs.work(queue, async () => ran.resolve());
    const clock = vi.spyOn(Date, 'now').mockReturnValue(anHourAhead);
    try {
      await database.transaction((tx) => jobs.schedule(tx, queue, {}, { delayMs: 50 }));
    } finally {
      clock.mockRestore();
    }
    await ran.promise;
  });

  it('runs jobs after its connections were terminated repeatedly', async () => {
    await using database = await openRealDatabase();
    await using jobs = await createJobs({ database: { url: database.url }, log: silentLog });
    const queue = { name: 'tasks' };
    await jobs.declare(queue);
    let ran = 0;
    await using _worker = await jobs.work(queue, async () => {
      ran += 1;
    });
    for (let time = 1; time <= 10; time += 1) {
      await database.query.execute(
        sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      );
      await database.transaction((tx) => jobs.schedule(tx, queue, {}));
      await expect.poll(() => ran).toBeGreaterThanOrEqual(time);
    }
  });
});
