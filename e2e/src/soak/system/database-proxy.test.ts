import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { startDatabaseProxy } from './database-proxy.ts';

/** Starts a server behind the proxy that echoes all data. */
async function setUp() {
  const resources = new AsyncDisposableStack();
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  resources.defer(() => void server.close());
  const proxy = resources.use(
    await startDatabaseProxy(`postgres://127.0.0.1:${(server.address() as AddressInfo).port}/`),
  );
  return {
    proxy,
    server,
    connect() {
      const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
      socket.on('error', () => {});
      resources.defer(() => void socket.destroy());
      return socket;
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

it('database proxy: closes every second transaction until the fault ends', async () => {
  await using ctx = await setUp();
  const begin = async () => {
    const socket = ctx.connect();
    socket.write('begin\0');
    const outcome = await once(socket, 'data').then(String, () => 'closed');
    socket.destroy();
    return outcome;
  };
  ctx.proxy.apply({ kind: 'begin-cut', every: 2 });
  expect([await begin(), await begin(), await begin(), await begin()]).toEqual([
    'begin\0',
    'closed',
    'begin\0',
    'closed',
  ]);
  ctx.proxy.apply({ kind: 'none' });
  expect([await begin(), await begin()]).toEqual(['begin\0', 'begin\0']);
});

it('database proxy: finds the client of a connection that the database sees', async () => {
  await using ctx = await setUp();
  const socket = ctx.connect();
  socket.write('x');
  const [[seen]] = (await Promise.all([once(ctx.server, 'connection'), once(socket, 'data')])) as [[Socket], unknown];
  expect(await ctx.proxy.clientPortOf(seen.remotePort ?? 0)).toBe(socket.localPort);
  expect(await ctx.proxy.clientPortOf(1)).toBeUndefined();
});

// Regression: clients that kept the main thread busy delayed each statement of all services for seconds.
it('database proxy: passes data while the main thread is busy', async () => {
  const arrivals = new Int32Array(new SharedArrayBuffer(4));
  // The main thread is blocked below, so the server and its client run in a worker. When the client gets a response,
  // the worker wakes the main thread.
  const peers = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
    const { connect, createServer } = require('node:net');
    const server = createServer((socket) => socket.pipe(socket));
    server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
    parentPort.once('message', (port) => {
      const socket = connect(port, '127.0.0.1', () => socket.write('x'));
      socket.once('data', () => {
        Atomics.store(workerData, 0, 1);
        Atomics.notify(workerData, 0);
      });
    });`,
    { eval: true, workerData: arrivals },
  );
  const [port] = await once(peers, 'message');
  await using proxy = await startDatabaseProxy(`postgres://127.0.0.1:${port}/`);
  peers.postMessage(Number(new URL(proxy.url).port));
  const outcome = Atomics.wait(arrivals, 0, 0, 30_000);
  await peers.terminate();
  expect(outcome).not.toBe('timed-out');
});
