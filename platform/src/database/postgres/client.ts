import pg from 'pg';
import { isCodedError } from '../../errors.ts';
import { outage, sqlStateOf, toOutage } from '../outage.ts';

export interface ConnectionLimits {
  /**
   * Time limit of a statement, in milliseconds. The database cancels a statement that takes longer. Default: no limit.
   */
  statementTimeoutMs?: number;
  /**
   * Time limit for the response to a statement, in milliseconds. After it, the statement fails and its connection is
   * closed.
   */
  queryTimeoutMs: number;
  /** When this signal aborts, all connections are closed, and no more are opened. */
  abandoned?: AbortSignal | undefined;
}

export type ConnectionOptions = pg.PoolConfig & Pick<ConnectionLimits, 'abandoned'>;

const connectWithinMs = 5_000;
const endWithinMs = 1_000;
/**
 * After this idle time, the operating system sends one TCP keep-alive probe per second. Ten probes without an answer
 * close the connection.
 */
const keepAliveAfterMs = 5_000;
const idleInTransactionMs = 10_000;

/** The database detects a vanished client host within 15 s instead of two hours. */
const serverKeepAlive = {
  tcp_keepalives_idle: '5',
  tcp_keepalives_interval: '2',
  tcp_keepalives_count: '5',
  tcp_user_timeout: '15000',
};

/**
 * The settings of every connection to PostgreSQL. Every wait has a time-out, in the client and in the server. Options
 * in the URL override these settings.
 */
export function connectionConfig(
  url: string,
  { statementTimeoutMs, queryTimeoutMs, abandoned }: ConnectionLimits,
): ConnectionOptions {
  const parsed = new URL(url);
  const ofUrl = parsed.searchParams.get('options');
  parsed.searchParams.delete('options');
  const own = Object.entries(serverKeepAlive).map(([name, value]) => `-c ${name}=${value}`);
  return {
    connectionString: ofUrl === null ? url : parsed.href,
    options: [...own, ...(ofUrl ? [ofUrl] : [])].join(' '),
    connectionTimeoutMillis: connectWithinMs,
    query_timeout: queryTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveAfterMs,
    abandoned,
    ...(statementTimeoutMs !== undefined && { statement_timeout: statementTimeoutMs }),
  };
}

/** Limit of prepared statements per connection, because the database keeps each statement and its plan in memory. */
const maxNamedStatements = 300;
/**
 * A statement with more parameters than this is not prepared. It probably contains a list of values, so its text
 * differs for each length of the list.
 */
const maxNamedParameters = 20;

/** Whether the outcome of a statement is unknown: its response, and perhaps the connection, was lost. */
export function isAnswerLost(error: unknown): boolean {
  const sqlState = sqlStateOf(error);
  return sqlState === null || /^(08|57P|58)/.test(sqlState);
}

/**
 * Whether a prepared statement failed because a migration has changed its result type. The statement then fails until
 * the connection is closed.
 */
function isPlanOutdated(error: unknown): boolean {
  return sqlStateOf(error) === '0A000' && /cached plan/.test((error as Error).message);
}

/** Converts an error to a retryable one if it is an outage; else returns it unchanged. */
function asOutage(error: unknown): unknown {
  if (isCodedError(error)) return error;
  const sqlState = sqlStateOf(error);
  if (isPlanOutdated(error)) return outage(error, sqlState);
  if (sqlState !== null) return toOutage(error) ?? error;
  // A value that can't be encoded as a parameter is the caller's fault. Any other error comes from the network, or is a
  // time-out.
  return isOfCode(error) ? error : outage(error, null);
}

function isOfCode(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}

type Callback = (error: unknown, ...rest: unknown[]) => void;

/** Calls a method of `pg` that returns a promise or takes a callback, and converts errors that are outages. */
function mapErrors(call: (args: unknown[]) => unknown, args: unknown[], onError: (error: unknown) => void): unknown {
  const mapError = (error: unknown) => {
    onError(error);
    return asOutage(error);
  };
  const last = args.at(-1);
  if (typeof last === 'function')
    return call([
      ...args.slice(0, -1),
      (error: unknown, ...rest: unknown[]) => (last as Callback)(error ? mapError(error) : error, ...rest),
    ]);
  const result = call(args);
  return result instanceof Promise ? result.catch((error: unknown) => Promise.reject(mapError(error))) : result;
}

/** A connection that throws outages as retryable errors. */
export class OutageClient extends pg.Client {
  /** True after a response did not arrive: the next response could belong to the previous statement. */
  isBroken = false;
  /** Names of the prepared statements of this connection, by text. */
  readonly #statementNames = new Map<string, string>();
  readonly #abandoned: AbortSignal | undefined;

  constructor(config: ConnectionOptions) {
    super(config);
    this.#abandoned = config.abandoned;
    const destroy = () => this.destroy();
    this.#abandoned?.addEventListener('abort', destroy);
    this.once('end', () => this.#abandoned?.removeEventListener('abort', destroy));
    // pg-pool handles errors of idle clients only. An error of a busy client is reported by the query that fails.
    this.on('error', () => {
      this.isBroken = true;
    });
  }
  override query = ((...args: unknown[]) =>
    mapErrors(
      ([statement, ...rest]) =>
        (super.query as (...given: unknown[]) => unknown)(this.#withName(statement, rest[0]), ...rest),
      args,
      (error) => {
        if (isAnswerLost(error) || isPlanOutdated(error)) this.isBroken = true;
      },
    )) as pg.Client['query'];
  override connect = ((...args: unknown[]) =>
    mapErrors(
      (given) => {
        // If the signal aborted before the listener was added, the listener is never called. The new connection is
        // therefore closed here.
        if (this.#abandoned?.aborted) setImmediate(() => this.destroy());
        return (super.connect as (...given: unknown[]) => unknown)(...given);
      },
      args,
      () => {},
    )) as pg.Client['connect'];

  /** Names a statement with parameters, so that the database parses and plans it only once for this connection. */
  #withName(statement: unknown, values: unknown): unknown {
    if (typeof statement !== 'object' || statement === null) return statement;
    const { text, values: parameters = values } = statement as pg.QueryConfig;
    if (!Array.isArray(parameters) || parameters.length === 0 || parameters.length > maxNamedParameters)
      return statement;
    const known = this.#statementNames.get(text);
    if (known === undefined && this.#statementNames.size >= maxNamedStatements) return statement;
    const name = known ?? `statement-${this.#statementNames.size}`;
    this.#statementNames.set(text, name);
    return { ...statement, name };
  }

  /** Runs a statement with its own time-out, in milliseconds. */
  queryWithin(timeoutMs: number, text: string): Promise<pg.QueryResult> {
    return this.query({ text, query_timeout: timeoutMs } as pg.QueryConfig);
  }

  /**
   * Closes the connection. After a time-out it destroys the socket, because a database that does not answer would keep
   * it open forever.
   */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.destroy(), endWithinMs);
    await this.end()
      .catch(() => {})
      .finally(() => clearTimeout(timer));
  }

  /** Closes the socket without a termination message. */
  destroy(): void {
    (this as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }
}

export class OutagePool extends pg.Pool {
  readonly #clients = new Set<OutageClient>();

  constructor(config: pg.PoolConfig) {
    super({ ...config, Client: OutageClient } as unknown as pg.PoolConfig);
    this.on('connect', (client) => void this.#clients.add(client as unknown as OutageClient));
    this.on('remove', (client) => void this.#clients.delete(client as unknown as OutageClient));
  }
  override connect = ((...args: unknown[]) =>
    mapErrors(
      (given) => (super.connect as (...given: unknown[]) => unknown)(...given),
      args,
      () => {},
    )) as pg.Pool['connect'];

  // When a connection breaks, pg-pool itself rejects the query with the original error. That error is converted here.
  override query = ((...args: unknown[]) =>
    mapErrors(
      (given) => (super.query as (...given: unknown[]) => unknown)(...given),
      args,
      () => {},
    )) as pg.Pool['query'];

  /**
   * Closes idle connections immediately. Connections that are still in use, although none should be, are closed after 1
   * s.
   */
  async close(): Promise<void> {
    const timer = setTimeout(() => {
      for (const client of this.#clients) client.destroy();
    }, endWithinMs);
    await this.end().finally(() => clearTimeout(timer));
  }
}
