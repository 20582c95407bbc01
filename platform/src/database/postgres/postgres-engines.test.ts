import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Transaction } from '../../database.ts';
import { openDistributedEngines, openDistributedEnginesWithJobs } from '../../engines/distributed.ts';
import { databaseSettings, topicsSettings } from '../../engines/settings.ts';
import type { JobQueue } from '../../jobs.ts';
import { createMemoryLog } from '../../testing/log.ts';
import { createRealDatabase, openRealDatabase, realEngines } from '../../testing/real-engines.ts';
import { startTcpProxy } from '../../testing/tcp-proxy.ts';
import type { Topic } from '../../topics.ts';

const settings = z.object({ ...databaseSettings, ...topicsSettings });

it('engines: close at once and without an error while each BEGIN is cut', async () => {
  await using direct = await openRealDatabase();
  await using proxy = await startTcpProxy(direct.url);
  const { KAFKA_BROKERS } = realEngines();
  const config = settings.parse({ DATABASE_URL: proxy.url, KAFKA_BROKERS, KAFKA_PREFIX: `${randomUUID()}.` });
  const stopping = new AbortController();
  const releases = new AsyncDisposableStack();
  const engines = releases.use(
    await openDistributedEnginesWithJobs(config, createMemoryLog(), { stopping: stopping.signal }),
  );
  const { database, topics, jobs } = engines;
  const queue: JobQueue<object> = { name: 'tasks' };
  await jobs.declare(queue);
  const topic: Topic<number> = { name: 'numbers', schema: z.number(), key: String };
  const cut = new Set<string>();
  // Each message and each job starts a transaction, which adds the next message or job.
  const work = (kind: string, next: (tx: Transaction) => Promise<unknown>) =>
    database.transaction(next).then(
      () => {},
      (error: unknown) => {
        cut.add(kind);
        throw error;
      },
    );
  let count = 0;
  const publishNext = (tx: Transaction) => topics.publish(tx, topic, count++);
  const scheduleNext = (tx: Transaction) => jobs.schedule(tx, queue, {});
  releases.use(await jobs.work(queue, () => work('job', scheduleNext)));
  releases.use(await topics.consume({ topic, group: 'readers', handler: () => work('message', publishNext) }));
  await database.transaction(async (tx) => {
    await publishNext(tx);
    await scheduleNext(tx);
  });
  let begins = 0;
  proxy.cutAt((data) => data.includes('begin\0') && ++begins > 0, 'before');
  await expect.poll(() => cut.size).toBe(2);
  const before = begins;
  stopping.abort();
  await releases.disposeAsync();
  // Work whose connection was cut is retried at most once per second, so only few transactions begin during the stop.
  expect(begins - before).toBeLessThan(20);
});

// Regression: a service exited on a read-only database, and its supervisor restarted it over and over.
it('engines: wait for a read-only database, and log it once', async () => {
  await using fresh = await createRealDatabase();
  await using admin = await openRealDatabase();
  const name = new URL(fresh.url).pathname.slice(1);
  const setReadOnly = (value: string) =>
    admin.query.execute(sql.raw(`alter database ${name} set default_transaction_read_only = ${value}`));
  await setReadOnly('on');
  const log = createMemoryLog();
  const { KAFKA_BROKERS } = realEngines();
  const config = settings.parse({ DATABASE_URL: fresh.url, KAFKA_BROKERS });
  const opening = openDistributedEngines(config, log, { stopping: new AbortController().signal });
  const isOpen = opening.then(
    () => true,
    () => true,
  );
  const waits = /the database is read-only; the service starts once it is writable/g;
  await expect.poll(() => log.text).toMatch(waits);
  expect(await Promise.race([isOpen, connectedTwice()])).toBe(false);
  expect(log.text.match(waits)).toHaveLength(1);
  await setReadOnly('off');
  await using _engines = await opening;
  expect(log.text).toContain('the database is writable again');

  /**
   * Resolves once the service has checked the database twice. The result false means that the service has not started
   * yet. Each check opens a connection.
   */
  async function connectedTwice(): Promise<false> {
    const read = async () => {
      const { rows } = await admin.query.execute<{ count: number }>(
        sql`select sessions::int as count from pg_stat_database where datname = ${name}`,
      );
      return rows[0]?.count ?? 0;
    };
    await expect.poll(read).toBeGreaterThanOrEqual(2);
    return false;
  }
});

// Regression: services without jobs had the tables, connections and polls of pg-boss.
it('engines: create the tables of jobs only where jobs are opened', async () => {
  await using fresh = await createRealDatabase();
  const { KAFKA_BROKERS } = realEngines();
  const config = settings.parse({ DATABASE_URL: fresh.url, KAFKA_BROKERS, KAFKA_PREFIX: `${randomUUID()}.` });
  const options = { stopping: new AbortController().signal };
  await using engines = await openDistributedEngines(config, createMemoryLog(), options);
  const schemas = async () => {
    const { rows } = await engines.database.query.execute(sql`select from pg_namespace where nspname = 'pgboss'`);
    return rows.length;
  };
  expect(await schemas()).toBe(0);
  await using _withJobs = await openDistributedEnginesWithJobs(config, createMemoryLog(), options);
  expect(await schemas()).toBe(1);
});
