import { type ChainableCommander, Cluster, type ClusterOptions, Redis, type RedisOptions, ReplyError } from 'ioredis';
import { within } from '../async/deadline.ts';
import { errorCode, orUnavailable } from '../errors.ts';
import type { KeyValue } from '../key-value.ts';
import { withoutPassword } from '../process/config.ts';
import type { Log } from '../process/log.ts';
import { createRepeatedLines } from '../process/repeated-lines.ts';
import { parseRedisUrl } from './redis-url.ts';

export interface RedisKeyValueOptions {
  /**
   * `redis://[user:password@]host[:port][/db]`; `rediss://` for TLS. Several nodes, comma-separated:
   * `redis-sentinel://host:port,host:port/master-name`, `redis-cluster://host:port,host:port`, and `rediss-…` for TLS.
   */
  url: string;
  log: Log;
  /** Time limit for the response to a command. After it, the command fails. Default: 2 s. */
  commandTimeoutMs?: number;
}

/**
 * Time limit for a connection to receive data after a failed command. After it, the connection is closed and reopened.
 */
const closeAfterMs = 500;
/**
 * Minimum time between two reconnects after rejected writes. Such a reconnect searches for the master, but makes
 * running commands fail.
 */
const leaveReplicaEveryMs = 5_000;
/** Time limit for connecting at the start. */
const startWithinMs = 5_000;

/**
 * The key-value port on Redis 6.2 or newer. While Redis is down, commands fail immediately or after their time-out;
 * nothing is queued.
 *
 * The client reconnects forever, also after a failed start, and when the connection is open but silent.
 */
export async function createRedisKeyValue(options: RedisKeyValueOptions): Promise<KeyValue> {
  const { url, log } = options;
  const redis = connect(options);
  const lines = createRepeatedLines(log);
  redis.on('error', (error: unknown) =>
    lines.warn(errorCode(error), { error }, 'the connection to Redis failed; it reconnects'),
  );
  const store: KeyValue = {
    get: (key) => orUnavailable('KEY_VALUE_UNAVAILABLE', () => redis.get(key)),
    async set(key, value, { ttlMs }) {
      await orUnavailable('KEY_VALUE_UNAVAILABLE', () => redis.set(key, value, 'PX', whole(ttlMs)));
    },
    touch: (key, { ttlMs }) =>
      orUnavailable('KEY_VALUE_UNAVAILABLE', () =>
        redis.getex(key, 'PX', whole(ttlMs)).catch((error: unknown) => {
          if (!rejectsWrites(error)) throw error;
          return redis.get(key);
        }),
      ),
    async peek(key) {
      const [value, left] = await orUnavailable('KEY_VALUE_UNAVAILABLE', () => readWithExpiry(redis, key));
      return value === null || left < 0 ? null : { value, expiresInMs: left };
    },
    async increment(key, by, { ttlMs }) {
      const [, value, expiresInMs] = await orUnavailable('KEY_VALUE_UNAVAILABLE', () =>
        execute(redis.multi().set(key, 0, 'PX', whole(ttlMs), 'NX').incrby(key, by).pttl(key)),
      );
      return { value: value as number, expiresInMs: expiresInMs as number };
    },
    delete: async (key) => (await orUnavailable('KEY_VALUE_UNAVAILABLE', () => redis.del(key))) > 0,
    ping: () => orUnavailable('KEY_VALUE_UNAVAILABLE', () => askForChanges(redis)),
    async [Symbol.asyncDispose]() {
      redis.disconnect();
    },
  };
  try {
    await within(startWithinMs, redis.connect());
    await store.ping();
  } catch (error) {
    log.warn({ error }, `REDIS_URL: Redis does not answer at ${withoutPassword(url)}; connecting is retried`);
  }
  return store;
}

/** Whether an error says that the server rejects all writes: its memory is full, its disk fails, or it is a replica. */
function rejectsWrites(error: unknown): boolean {
  return error instanceof ReplyError && /^(OOM|MISCONF|READONLY|NOREPLICAS) /.test((error as Error).message);
}

/** Checks the server with a write, because a server that rejects writes still answers reads and `PING`. */
async function askForChanges(redis: Redis | Cluster): Promise<'ok' | 'degraded'> {
  try {
    await redis.set('voucher-gateway:ping', '', 'PX', 1_000);
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    if (rejectsWrites(error)) return 'degraded';
    // The write failed for another reason, for example a missing permission. A ping shows whether the server answers at
    // all.
    await redis.ping();
  }
  return 'ok';
}

/**
 * Reads value and expiry atomically. Otherwise a key that expires between the two reads would look like a key without
 * expiry.
 */
async function readWithExpiry(redis: Redis | Cluster, key: string): Promise<[string | null, number]> {
  const [value, left] = await execute(redis.multi().get(key).pttl(key));
  return [value as string | null, left as number];
}

/** Runs commands atomically on the server, and returns the result of each. */
async function execute(commands: ChainableCommander): Promise<unknown[]> {
  const results = await commands.exec();
  if (!results) throw new Error('the transaction was discarded');
  return results.map(([error, result]) => {
    if (error) throw error;
    return result;
  });
}

function connect({ url, log, commandTimeoutMs = 2_000 }: RedisKeyValueOptions): Redis | Cluster {
  const common: RedisOptions = {
    lazyConnect: true,
    enableOfflineQueue: false,
    // The commands of one turn of the event loop are sent in one write.
    enableAutoPipelining: true,
    maxRetriesPerRequest: 0,
    connectTimeout: 3_000,
    commandTimeout: commandTimeoutMs,
    // A host that vanished does not close its connections. Without this time-out the client would wait for the time-out
    // of TCP, which is 15 minutes.
    socketTimeout: commandTimeoutMs + closeAfterMs,
    retryStrategy: backoff,
    reconnectOnError: reconnectFromReplica(log),
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

/**
 * Creates ioredis's `reconnectOnError`, which returns whether to reconnect after an error. A demoted master rejects
 * writes with READONLY, and a reconnect finds the promoted master. While there is no new master, reads still work
 * between two reconnects.
 */
function reconnectFromReplica(log: Log): (error: Error) => boolean {
  let lastAtMs = Number.NEGATIVE_INFINITY;
  return (error) => {
    const nowMs = performance.now();
    if (!error.message.startsWith('READONLY') || nowMs - lastAtMs < leaveReplicaEveryMs) return false;
    lastAtMs = nowMs;
    log.warn({ error }, 'Redis is a replica and rejects writes; reconnecting to find the master');
    return true;
  };
}

function backoff(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt, 6), 2_000);
}

function whole(ms: number): number {
  return Math.max(1, Math.round(ms));
}
