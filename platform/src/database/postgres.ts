import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { withoutPassword } from '../config.ts';
import type { Database, HeldLock, Queryable } from '../database.ts';
import { CodedError, codedCause } from '../errors.ts';
import type { Log } from '../log.ts';
import { pause } from '../topics/attempt.ts';
import { applyMigrations } from './migrate.ts';
import { createNestedUseGuard } from './nested-use.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`, with `?sslmode=verify-full` and the like for TLS. */
  url: string;
  log: Log;
  /** Connections at most. Default: 10. */
  poolSize?: number;
  /** A statement that takes longer is cancelled. Default: 10 s. */
  statementTimeoutMs?: number;
}

/** PostgreSQL, with locks that live as long as a connection. */
export interface PostgresDatabase extends Database {
  /** Takes an advisory lock on a connection of its own; null when another has it. */
  tryLock(name: string): Promise<HeldLock | null>;
}

const measureClockEveryMs = 60_000;
const connectWithinMs = 5_000;

/**
 * The database port on PostgreSQL by `pg`.
 *
 * What fails because the database is away is CodedError DATABASE_UNAVAILABLE, retryable; what the database
 * refuses is its own error.
 *
 * @throws CodedError DATABASE_UNAVAILABLE when it does not answer at the start
 */
export async function openPostgres(options: PostgresOptions): Promise<PostgresDatabase> {
  const { url, log, poolSize = 10, statementTimeoutMs = 10_000 } = options;
  await using releases = new AsyncDisposableStack();
  const types = {
    getTypeParser: ((id: number, format?: 'text' | 'binary') =>
      id === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(id, format as 'text')) as never,
  };
  const connection = { connectionString: url, connectionTimeoutMillis: connectWithinMs, keepAlive: true, types };
  const pool = new OutagePool({ ...connection, max: poolSize, statement_timeout: statementTimeoutMs });
  pool.on('error', (error) => log.warn({ error }, 'an idle connection to the database was lost'));
  releases.defer(() => pool.end());
  const guard = createNestedUseGuard();
  const query = drizzle({ client: pool }) as unknown as Queryable;

  let offsetMs = 0;
  const measureClock = async () => {
    const before = Date.now();
    const { rows } = await pool.query<{ now: string }>('select extract(epoch from clock_timestamp()) * 1000 as now');
    offsetMs = Number(rows[0]?.now) - (before + Date.now()) / 2;
  };
  try {
    await measureClock();
  } catch (cause) {
    throw new CodedError(
      'DATABASE_UNAVAILABLE',
      `DATABASE_URL: the database does not answer at ${withoutPassword(url)}.`,
      {
        cause,
        retryable: true,
      },
    );
  }
  const timer = setInterval(() => {
    measureClock().catch((error: unknown) => log.warn({ error }, 'the database’s clock could not be read'));
  }, measureClockEveryMs);
  timer.unref();
  releases.defer(() => clearInterval(timer));

  const stop = new AbortController();
  releases.defer(() => stop.abort());
  const owned = releases.move();
  const database: PostgresDatabase = {
    get query() {
      guard.check();
      return query;
    },
    async transaction(work) {
      guard.check();
      try {
        return await query.transaction((tx) => guard.run(() => work(tx as Queryable)));
      } catch (error) {
        throw codedCause(error) ?? error;
      }
    },
    listen: (channel, onNotify) => listen({ connection, channel, onNotify, log, signal: stop.signal }),
    now: () => Math.round(Date.now() + offsetMs),
    migrate: (migrations) =>
      database.transaction(async (tx) => {
        // Another process may be at it for longer than a statement may take.
        await tx.execute(sql`set local statement_timeout = 0`);
        await applyMigrations(tx, migrations);
      }),
    async ping() {
      await pool.query('select 1');
    },
    async tryLock(name) {
      const client = new OutageClient(connection);
      const lost = new AbortController();
      client.on('error', () => lost.abort());
      client.on('end', () => lost.abort());
      await client.connect();
      const { rows } = await client.query<{ taken: boolean }>(
        'select pg_try_advisory_lock(hashtextextended($1, 0)) as taken',
        [name],
      );
      if (!rows[0]?.taken) {
        await client.end();
        return null;
      }
      return { signal: lost.signal, [Symbol.asyncDispose]: () => client.end() };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
  return database;
}

/** Listens on a connection of its own, made again whenever it is lost: a notification in between is missed. */
async function listen({
  connection,
  channel,
  onNotify,
  log,
  signal,
}: {
  connection: pg.ClientConfig;
  channel: string;
  onNotify(payload: string): void;
  log: Log;
  signal: AbortSignal;
}): Promise<AsyncDisposable> {
  const stop = new AbortController();
  const stopped = AbortSignal.any([stop.signal, signal]);
  let client: pg.Client | undefined;
  const open = async () => {
    const opened = new OutageClient(connection);
    opened.on('notification', ({ payload }) => onNotify(payload ?? ''));
    opened.on('error', () => {});
    const ended = new Promise<void>((resolve) => opened.once('end', resolve));
    await opened.connect();
    await opened.query(`listen ${pg.escapeIdentifier(channel)}`);
    client = opened;
    // Wrapped, because an async function waits for a promise that it returns.
    return { ended };
  };
  let connected = await open();
  const keepOpen = (async () => {
    for (let attempt = 0; ; ) {
      await connected.ended;
      if (stopped.aborted) return;
      await pause(Math.min(100 * 2 ** attempt, 2_000), stopped);
      if (stopped.aborted) return;
      try {
        connected = await open();
        attempt = 0;
      } catch (error) {
        attempt += 1;
        log.debug({ error, channel }, 'the database can not be listened to; it is tried again');
        connected = { ended: Promise.resolve() };
      }
    }
  })();
  const close = async () => {
    stop.abort();
    await client?.end().catch(() => {});
    await keepOpen;
  };
  signal.addEventListener('abort', () => void close());
  return { [Symbol.asyncDispose]: close };
}

/** SQLSTATE classes that tell that the database, and not the statement, is at fault. */
const outageClasses = /^(08|53|57|58)/;

/** An error as a retryable one where the database is away; else as it is. */
function asOutage(error: unknown): unknown {
  const code = (error as { code?: unknown }).code;
  // What has no SQLSTATE did not come from the database: the network, or the pool's own time-outs.
  const isOurs = typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code);
  if (!isOurs && !outageClasses.test(code) && code !== '40001' && code !== '40P01') return error;
  return new CodedError('DATABASE_UNAVAILABLE', 'The database does not answer.', { cause: error, retryable: true });
}

type Callback = (error: unknown, ...rest: unknown[]) => void;

/** Calls a method of `pg`, promised or by callback, its errors made outages where they are. */
function mapped(call: (args: unknown[]) => unknown, args: unknown[]): unknown {
  const last = args.at(-1);
  if (typeof last === 'function')
    return call([
      ...args.slice(0, -1),
      (error: unknown, ...rest: unknown[]) => (last as Callback)(error ? asOutage(error) : error, ...rest),
    ]);
  const result = call(args);
  return result instanceof Promise ? result.catch((error: unknown) => Promise.reject(asOutage(error))) : result;
}

class OutageClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    // The pool listens only to those that lie idle; one in use tells by the statement that fails.
    this.on('error', () => {});
  }
  override query = ((...args: unknown[]) =>
    mapped((given) => (super.query as (...given: unknown[]) => unknown)(...given), args)) as pg.Client['query'];
  override connect = ((...args: unknown[]) =>
    mapped((given) => (super.connect as (...given: unknown[]) => unknown)(...given), args)) as pg.Client['connect'];
}

class OutagePool extends pg.Pool {
  constructor(config: pg.PoolConfig) {
    super({ ...config, Client: OutageClient } as pg.PoolConfig);
  }
  override connect = ((...args: unknown[]) =>
    mapped((given) => (super.connect as (...given: unknown[]) => unknown)(...given), args)) as pg.Pool['connect'];
}
