import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import type { Database, DatabaseSession, Queryable } from '../../database.ts';
import { CodedError, causesOf, errorCode } from '../../errors.ts';
import { withoutPassword } from '../../process/config.ts';
import type { Log } from '../../process/log.ts';
import { applyMigrations } from '../migrate.ts';
import { createNestedUseGuard } from '../nested-use.ts';
import { connectionConfig, OutageClient, OutagePool } from './client.ts';
import { createDatabaseClock } from './clock.ts';
import { listenOn } from './listen.ts';
import { abandonWhenSilent } from './stop.ts';
import { runTransaction } from './transaction.ts';
import { whenUnlocked } from './when-unlocked.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`, with `?sslmode=verify-full` and the like for TLS. */
  url: string;
  log: Log;
  /** Limit of connections. Default: 10. */
  poolSize?: number;
  /** Time limit of a statement. The database cancels a statement that takes longer. Default: 10 s. */
  statementTimeoutMs?: number;
  /**
   * Time limit for the response to a statement. After it, the statement fails, and its connection is closed. Default: 2
   * s more than `statementTimeoutMs`.
   */
  queryTimeoutMs?: number;
  /**
   * Aborts when the process begins to stop. After the abort, calls no longer wait for a database that does not answer.
   */
  stopping?: AbortSignal | undefined;
}

/** PostgreSQL, with dedicated connections. */
export interface PostgresDatabase extends Database {
  openSession(): Promise<DatabaseSession>;
  /**
   * Aborts when the process stops and the database does not answer (`abandonWhenSilent`). All connections to the
   * database are then closed.
   */
  readonly abandoned: AbortSignal;
}

/** Time that the client waits for a response after the database's statement time-out, in milliseconds. */
export const answerLateMs = 2_000;
/**
 * Time-out of migrations. It is longer than the time-out of other statements, because a migration may wait for another
 * process that migrates.
 */
const migrateWithinMs = 600_000;

/**
 * Opens the database port on PostgreSQL with `pg`. Outages throw CodedError DATABASE_UNAVAILABLE (retryable); a
 * statement that the database rejects throws the error of `pg`.
 *
 * @throws CodedError DATABASE_UNAVAILABLE if the database does not answer at the start
 */
export async function openPostgres(options: PostgresOptions): Promise<PostgresDatabase> {
  const { url, log, poolSize = 10, statementTimeoutMs = 10_000 } = options;
  const { queryTimeoutMs = statementTimeoutMs + answerLateMs } = options;
  await using releases = new AsyncDisposableStack();
  const types = {
    getTypeParser: ((id: number, format?: 'text' | 'binary') =>
      id === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(id, format as 'text')) as never,
  };
  const limits = { statementTimeoutMs, queryTimeoutMs };
  const silence = releases.use(
    abandonWhenSilent(connectionConfig(url, limits), {
      stopping: options.stopping ?? new AbortController().signal,
      log,
    }),
  );
  const abandoned = silence.signal;
  const connection = { ...connectionConfig(url, { ...limits, abandoned }), types };
  const pool = new OutagePool({ ...connection, max: poolSize });
  pool.on('error', (error) => log.warn({ error }, 'an idle connection to the database was lost'));
  releases.defer(() => pool.close());
  const guard = createNestedUseGuard();
  const query = drizzle({ client: pool }) as unknown as Queryable;

  const clock = createDatabaseClock(pool, log);
  try {
    await clock.measure();
  } catch (cause) {
    throw new CodedError(
      'DATABASE_UNAVAILABLE',
      `DATABASE_URL: the database can not be used at ${withoutPassword(url)}: ${reasonOf(cause)}.`,
      { cause, retryable: true },
    );
  }
  releases.use(clock.keepMeasuring());

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
      return await runTransaction(pool, (tx) => guard.run(() => work(tx)));
    },
    listen: (channel, onNotify) => listenOn({ connection, channel, onNotify, log, signal: stop.signal }),
    now: clock.now,
    async migrate(migrations) {
      guard.check();
      await using slow = {
        pool: new OutagePool({
          ...connectionConfig(url, { queryTimeoutMs: migrateWithinMs, abandoned }),
          types,
          max: 1,
        }),
        [Symbol.asyncDispose]: () => slow.pool.close(),
      };
      slow.pool.on('error', () => {});
      await whenUnlocked(() => runTransaction(slow.pool, (tx) => applyMigrations(tx, migrations)), {
        withinMs: migrateWithinMs,
        onLocked: (error) =>
          log.warn({ error, schema: migrations.schema }, 'a table is in use: its migration is retried'),
      });
    },
    async ping() {
      const { rows } = await pool.query<{ transaction_read_only: string }>('show transaction_read_only');
      return rows[0]?.transaction_read_only === 'on' ? 'degraded' : 'ok';
    },
    async openSession() {
      const client = new OutageClient(connection);
      const lost = new AbortController();
      client.on('end', () => lost.abort());
      try {
        await client.connect();
      } catch (error) {
        client.destroy();
        throw error;
      }
      return {
        signal: lost.signal,
        async query(text, values) {
          try {
            return (await client.query(text, values)).rows;
          } catch (error) {
            // The connection is closed, because its next response could belong to this statement.
            if (client.isBroken) client.destroy();
            throw error;
          }
        },
        [Symbol.asyncDispose]: () => client.close(),
      };
    },
    abandoned,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
  return database;
}

/**
 * Returns why the first query failed: the message of the database, for example about a wrong password, or of the
 * network error.
 */
function reasonOf(error: unknown): string {
  const first = causesOf(error).at(-1);
  return first?.message || errorCode(first);
}
