import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type pg from 'pg';
import { type ConstructorOptions, PgBoss } from 'pg-boss';
import { connectionConfig, OutagePool } from '../database/postgres/client.ts';
import type { Transaction } from '../database.ts';
import type { JobQueue, Jobs } from '../jobs.ts';
import type { Log } from '../process/log.ts';
import { startWorker } from './worker.ts';

export interface PgBossJobsOptions {
  /**
   * How to reach the database. For PostgreSQL, the options of the connection; for the embedded database,
   * `fromPglite(client)`.
   */
  database: JobsPoolOptions | { embedded: BossDatabase };
  log: Log;
  /** Interval of the search for jobs that exceeded their queue's time-out, in whole seconds. Default: 10. */
  superviseEverySeconds?: number;
}

interface JobsPoolOptions {
  url: string;
  /** Time limit for the response to a statement. After it, the statement fails. Default: 12 s. */
  queryTimeoutMs?: number;
  /** When this signal aborts, all connections to the database are closed, and no more are opened. */
  abandoned?: AbortSignal;
}

type BossDatabase = NonNullable<ConstructorOptions['db']>;

const defaultTimeoutMs = 300_000;
/**
 * pg-boss deletes jobs that are overdue for longer than this. The limit is ten years, so that no job is lost, even
 * after a long outage.
 */
const retentionSeconds = 10 * 365 * 86_400;

/** Creates the jobs port on pg-boss, in the schema `pgboss`. Due times follow the database's clock. */
export async function createJobs({ database, log, superviseEverySeconds = 10 }: PgBossJobsOptions): Promise<Jobs> {
  await using releases = new AsyncDisposableStack();
  const pool = 'url' in database ? releases.use(openPool(database, log)) : undefined;
  const boss = new PgBoss({
    ...('url' in database ? { db: pool } : { db: database.embedded, backend: 'pglite' as const }),
    schedule: false,
    superviseIntervalSeconds: superviseEverySeconds,
    monitorIntervalSeconds: superviseEverySeconds,
    openTelemetry: { enabled: false },
  });
  boss.on('error', (error) => log.warn({ error }, 'pg-boss reports an error'));
  await boss.start();
  pool?.endStart();
  releases.defer(() => boss.stop({ graceful: true, timeout: 15_000, close: false }));
  if ('embedded' in database) {
    // Only this process uses the embedded database. So a job that is still active was interrupted when the process last
    // ended. The job is retried now, before its time-out.
    await database.embedded.executeSql(
      `update pgboss.job set state = 'retry', start_after = now() where state = 'active'`,
    );
  }
  const made = new Map<string, Promise<void>>();
  const makeQueue = async ({ name, timeoutMs = defaultTimeoutMs }: JobQueue<object>) => {
    const expireInSeconds = Math.max(1, Math.ceil(timeoutMs / 1_000));
    const found = await boss.getQueue(name);
    if (!found)
      await boss.createQueue(name, {
        retryLimit: 1_000_000,
        retryDelay: 1,
        retryBackoff: true,
        retryDelayMax: 60,
        expireInSeconds,
        retentionSeconds,
      });
    // A queue that another version or other settings have created is updated. Without a difference nothing is written,
    // so that a read-only database works.
    else if (found.expireInSeconds !== expireInSeconds || found.retentionSeconds !== retentionSeconds)
      await boss.updateQueue(name, { expireInSeconds, retentionSeconds });
  };
  const ensureQueue = (queue: JobQueue<object>) => {
    const making =
      made.get(queue.name) ??
      makeQueue(queue).catch((error: unknown) => {
        made.delete(queue.name);
        throw error;
      });
    made.set(queue.name, making);
    return making;
  };
  const scheduleAll: Jobs['scheduleAll'] = async (tx, queue, jobs) => {
    if (jobs.length === 0) return;
    await boss.insert(
      queue.name,
      jobs.map(({ data, delayMs = 0, id }) => ({
        data,
        ...(id && { id }),
        // The delay is passed as an interval, which the database adds to the time of its clock.
        ...(delayMs > 0 && { startAfter: `${delayMs} milliseconds` }),
      })),
      { db: inTransaction(tx) },
    );
  };
  const owned = releases.move();

  return {
    declare: ensureQueue,
    async schedule(tx, queue, data, { delayMs = 0, id = randomUUID() } = {}) {
      await scheduleAll(tx, queue, [{ data, delayMs, id }]);
      return id;
    },
    scheduleAll,
    async cancel(tx, queue, ids) {
      // Jobs are deleted, and not marked as cancelled, because rows of cancelled jobs would slow down polling. Most
      // jobs only handle a time-out that does not occur, and are cancelled.
      if (ids.length > 0) await boss.deleteJob(queue.name, [...ids], { db: inTransaction(tx) });
    },
    async work(queue, handler, { concurrency = 16 } = {}) {
      await ensureQueue(queue);
      const { name: queueName, timeoutMs = defaultTimeoutMs } = queue;
      return startWorker({ boss, queueName, handler, concurrency, timeoutMs, log });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * Runs pg-boss's statements in a transaction. An array is one parameter, so that a statement has the same text for any
 * number of jobs. (pg-boss's own adapter splits arrays.)
 */
function inTransaction(tx: Transaction): BossDatabase {
  return {
    executeSql(text, values = []) {
      const parts = text
        .split(/\$(\d+)/)
        .map((part, index) => (index % 2 === 0 ? sql.raw(part) : sql`${sql.param(values[Number(part) - 1])}`));
      return tx.execute(sql.join(parts));
    },
  };
}

/** Time-out of the statements at a start, which create pg-boss's tables or wait for another process to create them. */
const startWithinMs = 600_000;
const connections = 4;

/** Opens our own pool for pg-boss's statements, because pg-boss's pool has no time-out. */
function openPool(
  { url, queryTimeoutMs = 12_000, abandoned }: JobsPoolOptions,
  log: Log,
): BossDatabase & AsyncDisposable & { endStart(): void } {
  const pool = new OutagePool({ ...connectionConfig(url, { queryTimeoutMs, abandoned }), max: connections });
  pool.on('error', (error) => log.warn({ error }, 'an idle connection of the jobs was lost'));
  let timeoutMs = startWithinMs;
  return {
    executeSql: (text, values) => pool.query({ text, values, query_timeout: timeoutMs } as pg.QueryConfig),
    endStart: () => {
      timeoutMs = queryTimeoutMs;
    },
    [Symbol.asyncDispose]: () => pool.close(),
  };
}
