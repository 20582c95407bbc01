import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../process/log.ts';
import { keyValueContract } from '../testing/contract/key-value.ts';
import { createMemoryLog } from '../testing/log.ts';
import { realEngines } from '../testing/real-engines.ts';
import { startTcpProxy } from '../testing/tcp-proxy.ts';
import { createRedisKeyValue } from './redis.ts';

describe('the key-value port on Redis', () => {
  const open = async () => {
    const keyValue = await createRedisKeyValue({ url: realEngines().REDIS_URL, log: silentLog });
    return {
      keyValue,
      // Redis's clock can't be changed, but the expiry of a key can. If the new expiry is past, Redis deletes the key.
      async age(key: string, ms: number) {
        const redis = new Redis(realEngines().REDIS_URL);
        const left = await redis.pttl(key);
        if (left >= 0) await redis.pexpire(key, left - ms);
        redis.disconnect();
      },
      [Symbol.asyncDispose]: () => keyValue[Symbol.asyncDispose](),
    };
  };
  keyValueContract(open);

  it('gives every key an expiry', async () => {
    await using set = await open();
    const key = `key:${randomUUID()}`;
    await set.keyValue.set(key, 'value', { ttlMs: 5_000 });
    await set.keyValue.touch(key, { ttlMs: 60_000 });
    const redis = new Redis(realEngines().REDIS_URL);
    const left = await redis.pttl(key);
    redis.disconnect();
    expect(left).toBeGreaterThan(5_000);
    expect(left).toBeLessThanOrEqual(60_000);
  });
});

// Regression: the service reported that it was ready, although nobody could sign in.
it('redis: is degraded while Redis has no memory for writes', async () => {
  await using server = await startRedisServer([]);
  await using keyValue = await createRedisKeyValue({ url: `redis://127.0.0.1:${server.port}`, log: silentLog });
  expect(await keyValue.ping()).toBe('ok');
  await keyValue.set('session', 'open', { ttlMs: 60_000 });
  const admin = new Redis(server.port, '127.0.0.1');
  await admin.config('SET', 'maxmemory', '1');
  await expect(keyValue.set('key', 'value', { ttlMs: 1_000 })).rejects.toMatchObject({ code: 'KEY_VALUE_UNAVAILABLE' });
  expect(await keyValue.touch('session', { ttlMs: 60_000 })).toBe('open');
  expect(await keyValue.ping()).toBe('degraded');
  await admin.config('SET', 'maxmemory', '0');
  admin.disconnect();
  expect(await keyValue.ping()).toBe('ok');
});

// Regression: while Redis was a replica, each request of a signed-in user failed and closed the connection to Redis.
// Nothing was logged.
it('redis: reads sessions from a replica, and logs that it rejects writes', async () => {
  await using server = await startRedisServer([]);
  const log = createMemoryLog('warn');
  await using keyValue = await createRedisKeyValue({ url: `redis://127.0.0.1:${server.port}`, log });
  await keyValue.set('session', 'open', { ttlMs: 60_000 });
  const admin = new Redis(server.port, '127.0.0.1');
  await admin.replicaof('127.0.0.1', '1');
  expect(await keyValue.ping()).toBe('degraded');
  const touch = () => keyValue.touch('session', { ttlMs: 60_000 }).catch(() => null);
  await expect.poll(touch).toBe('open');
  const touched: (string | null)[] = [];
  for (let time = 0; time < 20; time += 1) touched.push(await touch());
  // At most one call of `touch` fails: the call that is made while the client searches for the master.
  expect(touched.filter((value) => value === null).length).toBeLessThan(2);
  expect(log.text).toMatch(/"msg":"Redis is a replica/);
  await admin.replicaof('NO', 'ONE');
  admin.disconnect();
  await expect.poll(() => keyValue.ping()).toBe('ok');
});

// Regression: each try to reconnect logged a line.
it('redis: summarises the lines of a long outage', async () => {
  let tries = 0;
  await using server = createServer((socket) => {
    tries += 1;
    socket.resetAndDestroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const log = createMemoryLog('warn');
  const { port } = server.address() as AddressInfo;
  await using _keyValue = await createRedisKeyValue({ url: `redis://127.0.0.1:${port}`, log });
  await expect.poll(() => tries).toBeGreaterThan(5);
  expect(log.text.match(/the connection to Redis failed/g)).toHaveLength(1);
});

describe('Redis with several servers', () => {
  it('is used as a cluster', async () => {
    await using node = await startRedisServer(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1']);
    const admin = new Redis(node.port, '127.0.0.1');
    await admin.cluster('ADDSLOTSRANGE', 0, 16_383);
    await expect.poll(() => admin.cluster('INFO')).toContain('cluster_state:ok');
    admin.disconnect();
    await usable(`redis-cluster://127.0.0.1:${node.port}`);
  });

  it('is found by sentinels', async () => {
    await using master = await startRedisServer([]);
    await using sentinel = await startRedisServer(
      ['--sentinel'],
      `sentinel monitor vouchers 127.0.0.1 ${master.port} 1\n`,
    );
    await usable(`redis-sentinel://127.0.0.1:${sentinel.port}/vouchers`);
  });

  it('reconnects after its connection became silent, as if the host vanished', async () => {
    // Regression: commands failed until TCP gave up the old connection, although a new connection would have worked.
    await using network = await startTcpProxy(realEngines().REDIS_URL);
    await using keyValue = await createRedisKeyValue({ url: network.url, log: silentLog, commandTimeoutMs: 100 });
    const key = `key:${randomUUID()}`;
    network.vanish();
    await expect(keyValue.get(key)).rejects.toMatchObject({ code: 'KEY_VALUE_UNAVAILABLE' });
    await expect.poll(() => keyValue.get(key).catch(({ code }) => code)).toBe(null);
  });

  it('reconnects after a restart; until then commands fail at once', async () => {
    await using first = await startRedisServer([]);
    await using keyValue = await createRedisKeyValue({ url: `redis://127.0.0.1:${first.port}`, log: silentLog });
    await keyValue.set('key', 'value', { ttlMs: 60_000 });
    await first[Symbol.asyncDispose]();
    await expect
      .poll(() => keyValue.get('key').catch(({ code, retryable }) => ({ code, retryable })))
      .toEqual({ code: 'KEY_VALUE_UNAVAILABLE', retryable: true });
    await using _second = await startRedisServer([], '', first.port);
    await expect
      .poll(() =>
        keyValue.set('key', 'again', { ttlMs: 60_000 }).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    expect(await keyValue.get('key')).toBe('again');
  });

  async function usable(url: string) {
    await using keyValue = await createRedisKeyValue({ url, log: silentLog });
    await keyValue.set('key', 'value', { ttlMs: 60_000 });
    expect(await keyValue.touch('key', { ttlMs: 90_000 })).toBe('value');
    expect((await keyValue.peek('key'))?.expiresInMs).toBeGreaterThan(60_000);
    expect((await keyValue.increment('count', 2, { ttlMs: 60_000 })).value).toBe(2);
    expect(await keyValue.delete('key')).toBe(true);
  }
});

/** Starts Redis, and resolves when it answers. `config` is added to its configuration file. */
async function startRedisServer(args: string[], config = '', port = 0) {
  await using releases = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-redis-'));
  releases.defer(() => rm(folder, { recursive: true, force: true }));
  const chosen = port || (await freePort());
  const file = join(folder, 'redis.conf');
  await writeFile(file, `port ${chosen}\nbind 127.0.0.1\ndir ${folder}\nsave ""\n${config}`);
  const child = spawn('redis-server', [file, ...args], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  releases.defer(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await expect
    .poll(
      () =>
        new Promise((resolve) => connect(chosen, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))),
    )
    .toBe(true);
  const owned = releases.move();
  return { port: chosen, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function freePort(): Promise<number> {
  // A cluster node also uses the port number plus 10,000, which must not exceed 65,535.
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    if (port < 55_000) return port;
  }
}

// Regression: a service that started while Redis was down exited, although most of it works without Redis.
it('redis: may be down at the start; the log names the setting', async () => {
  const lines: string[] = [];
  const log = { ...silentLog, warn: (_fields: object, text: string) => void lines.push(text) };
  await using proxy = await startTcpProxy(realEngines().REDIS_URL);
  proxy.cut();
  await using keyValue = await createRedisKeyValue({ url: proxy.url, log });
  await expect(keyValue.ping()).rejects.toMatchObject({ code: 'KEY_VALUE_UNAVAILABLE', retryable: true });
  expect(lines).toContainEqual(expect.stringContaining('REDIS_URL: Redis does not answer at redis://127.0.0.1'));
  proxy.restore();
  await expect.poll(() => keyValue.ping().then(() => 'ok', String)).toBe('ok');
});
