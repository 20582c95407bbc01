import pg from 'pg';
import { isCodedError } from '../errors.ts';
import { outage, sqlStateOf, toOutage } from './outage.ts';

export interface ConnectionLimits {
  /** The database cancels a statement that takes longer, in milliseconds. Default: none. */
  statementTimeoutMs?: number;
  /** A statement whose answer is not there by then has failed, and its connection with it, in milliseconds. */
  queryTimeoutMs: number;
  /** When it aborts, connections are closed, and no more are opened. */
  abandoned?: AbortSignal | undefined;
}

export type ConnectionOptions = pg.PoolConfig & Pick<ConnectionLimits, 'abandoned'>;

const connectWithinMs = 5_000;
const endWithinMs = 1_000;
/** Node asks ten times, a second apart, before it gives a connection up. */
const keepAliveAfterMs = 5_000;
const idleInTransactionMs = 10_000;

/** How the database notices that a client's host has vanished: within 15 s, in place of two hours. */
const serverKeepAlive = {
  tcp_keepalives_idle: '5',
  tcp_keepalives_interval: '2',
  tcp_keepalives_count: '5',
  tcp_user_timeout: '15000',
};

/**
 * How every connection to PostgreSQL is made: nothing is waited for without an end, by neither side.
 * What the URL says of the same settings wins.
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

/** Whether nothing is known any more of what the database did: its answer, and perhaps the connection, is lost. */
export function isAnswerLost(error: unknown): boolean {
  const sqlState = sqlStateOf(error);
  return sqlState === null || /^(08|57P|58)/.test(sqlState);
}

/** An error as a retryable one where the database is away; else as it is. */
function asOutage(error: unknown): unknown {
  if (isCodedError(error)) return error;
  const sqlState = sqlStateOf(error);
  if (sqlState !== null) return toOutage(error) ?? error;
  // A value that can't be written as a parameter is the caller's fault. Else it is the network, or a time-out.
  return isOfCode(error) ? error : outage(error, null);
}

function isOfCode(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}

type Callback = (error: unknown, ...rest: unknown[]) => void;

/** Calls a method of `pg`, promised or by callback, its errors made outages where they are. */
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

/** A connection whose errors are outages where they are. */
export class OutageClient extends pg.Client {
  /** True once an answer is missing: the next one could be of the statement before. */
  isBroken = false;
  readonly #abandoned: AbortSignal | undefined;

  constructor(config: ConnectionOptions) {
    super(config);
    this.#abandoned = config.abandoned;
    const destroy = () => this.destroy();
    this.#abandoned?.addEventListener('abort', destroy);
    this.once('end', () => this.#abandoned?.removeEventListener('abort', destroy));
    // The pool listens only to those that lie idle; one in use tells by the statement that fails.
    this.on('error', () => {
      this.isBroken = true;
    });
  }
  override query = ((...args: unknown[]) =>
    mapErrors(
      (given) => (super.query as (...given: unknown[]) => unknown)(...given),
      args,
      (error) => {
        if (isAnswerLost(error)) this.isBroken = true;
      },
    )) as pg.Client['query'];
  override connect = ((...args: unknown[]) =>
    mapErrors(
      (given) => {
        // Closed while it connects, as by who abandons it later.
        if (this.#abandoned?.aborted) setImmediate(() => this.destroy());
        return (super.connect as (...given: unknown[]) => unknown)(...given);
      },
      args,
      () => {},
    )) as pg.Client['connect'];

  /** A statement with a time-out of its own, in milliseconds. */
  queryWithin(timeoutMs: number, text: string): Promise<pg.QueryResult> {
    return this.query({ text, query_timeout: timeoutMs } as pg.QueryConfig);
  }

  /** Says goodbye, and closes without an answer where none comes: a silent database would keep it open for ever. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.destroy(), endWithinMs);
    await this.end()
      .catch(() => {})
      .finally(() => clearTimeout(timer));
  }

  /** Closes without a goodbye. */
  destroy(): void {
    (this as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }
}

/** A pool of connections whose errors are outages where they are. */
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

  // The pool itself answers the error of a connection that breaks, as it came.
  override query = ((...args: unknown[]) =>
    mapErrors(
      (given) => (super.query as (...given: unknown[]) => unknown)(...given),
      args,
      () => {},
    )) as pg.Pool['query'];

  /** Ends what is idle, and soon the rest: whoever disposes of it has ended what uses it. */
  async close(): Promise<void> {
    const timer = setTimeout(() => {
      for (const client of this.#clients) client.destroy();
    }, endWithinMs);
    await this.end().finally(() => clearTimeout(timer));
  }
}
