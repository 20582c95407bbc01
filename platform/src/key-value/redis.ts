import { type ChainableCommander, Cluster, type ClusterOptions, Redis, type RedisOptions, ReplyError } from 'ioredis';
import { withoutPassword } from '../config.ts';
import { CodedError } from '../errors.ts';
import type { KeyValue } from '../key-value.ts';
import type { Log } from '../log.ts';
import { within } from '../within.ts';
import { parseRedisUrl } from './redis-url.ts';

export interface RedisKeyValueOptions {
  /**
   * `redis://[user:password@]host[:port][/db]`; `rediss://` for TLS. Several nodes with commas between:
   * `redis-sentinel://host:port,host:port/master-name`, `redis-cluster://host:port,host:port`, and
   * `rediss-…` for TLS.
   */
  url: string;
  log: Log;
  /** A command that has no answer by then fails. Default: 2 s. */
  commandTimeoutMs?: number;
}

/** A connection on which nothing comes for so long after a command has failed is closed, and made again. */
const closeAfterMs = 500;
/** A start waits no longer for what is away. */
const startWithinMs = 5_000;

/**
 * The key-value port on Redis 6.2 or newer. A command fails at once, or after its time-out, while Redis is
 * away: nothing is queued. The connection comes back by itself, for as long as it takes, also where it is open and
 * silent; one that can't be made at the start is no different.
 */
export async function createRedisKeyValue(options: RedisKeyValueOptions): Promise<KeyValue> {
  const { url, log } = options;
  const redis = connect(options);
  redis.on('error', (error: unknown) => log.warn({ error }, 'the connection to Redis failed; it is made again'));
  const store: KeyValue = {
    get: (key) => available(() => redis.get(key)),
    async set(key, value, { ttlMs }) {
      await available(() => redis.set(key, value, 'PX', whole(ttlMs)));
    },
    touch: (key, { ttlMs }) => available(() => redis.getex(key, 'PX', whole(ttlMs))),
    async peek(key) {
      const [value, left] = await available(() => readWithExpiry(redis, key));
      return value === null || left < 0 ? null : { value, expiresInMs: left };
    },
    async increment(key, by, { ttlMs }) {
      const [, value, expiresInMs] = await available(() =>
        execute(redis.multi().set(key, 0, 'PX', whole(ttlMs), 'NX').incrby(key, by).pttl(key)),
      );
      return { value: value as number, expiresInMs: expiresInMs as number };
    },
    delete: async (key) => (await available(() => redis.del(key))) > 0,
    ping: () => available(() => askForChanges(redis)),
    async [Symbol.asyncDispose]() {
      redis.disconnect();
    },
  };
  try {
    await within(startWithinMs, redis.connect());
    await store.ping();
  } catch (error) {
    log.warn({ error }, `REDIS_URL: Redis does not answer at ${withoutPassword(url)}; it is joined when it does`);
  }
  return store;
}

/** What answers changes that it refuses: full memory, a disk that fails, a replica. */
const takesNoChanges = /^(OOM|MISCONF|READONLY|NOREPLICAS) /;

/** By a change, for reads and `PING` are answered also by a server that refuses all changes. */
async function askForChanges(redis: Redis | Cluster): Promise<'ok' | 'degraded'> {
  try {
    await redis.set('voucher-gateway:ping', '', 'PX', 1_000);
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    if (takesNoChanges.test((error as Error).message)) return 'degraded';
    // Such as a user who may not use this key.
    await redis.ping();
  }
  return 'ok';
}

/** In one step on the server, so that an expiry in between is not read as "no expiry". */
async function readWithExpiry(redis: Redis | Cluster, key: string): Promise<[string | null, number]> {
  const [value, left] = await execute(redis.multi().get(key).pttl(key));
  return [value as string | null, left as number];
}

/** Runs commands in one step on the server and answers the result of each. */
async function execute(commands: ChainableCommander): Promise<unknown[]> {
  const results = await commands.exec();
  if (!results) throw new Error('no answer');
  return results.map(([error, result]) => {
    if (error) throw error;
    return result;
  });
}

function connect({ url, commandTimeoutMs = 2_000 }: RedisKeyValueOptions): Redis | Cluster {
  const common: RedisOptions = {
    lazyConnect: true,
    enableOfflineQueue: false,
    // The commands of one turn of the event loop go out in one write.
    enableAutoPipelining: true,
    maxRetriesPerRequest: 0,
    connectTimeout: 3_000,
    commandTimeout: commandTimeoutMs,
    // A host that vanished closes nothing: without it the connection is kept until TCP gives up, after a quarter of an hour.
    socketTimeout: commandTimeoutMs + closeAfterMs,
    retryStrategy: backoff,
    // A replica that was promoted answers writes; a demoted master says so, and the connection is made again.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
  const { kind, tls, nodes, path, username, password } = parseRedisUrl(url);
  const secured = { ...common, username, password, ...(tls && { tls: {} }) };
  switch (kind) {
    case 'single':
      return new Redis(url, common);
    case 'sentinel':
      return new Redis({
        ...secured,
        sentinels: nodes,
        name: path || 'mymaster',
        sentinelRetryStrategy: backoff,
        ...(tls && { enableTLSForSentinelMode: true }),
      });
    case 'cluster': {
      const cluster: ClusterOptions = {
        lazyConnect: true,
        enableOfflineQueue: false,
        enableAutoPipelining: true,
        clusterRetryStrategy: backoff,
        redisOptions: secured,
        ...(tls && { dnsLookup: (address, callback) => callback(null, address) }),
      };
      return new Cluster(nodes, cluster);
    }
  }
}

function backoff(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt, 6), 2_000);
}

function whole(ms: number): number {
  return Math.max(1, Math.round(ms));
}

async function available<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new CodedError('KEY_VALUE_UNAVAILABLE', 'The key-value store does not answer.', { cause, retryable: true });
  }
}
