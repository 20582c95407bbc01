import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { systemClock } from '@voucher-gateway/platform/async/clock';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { expect, it } from 'vitest';
import { createCallbackSender } from './send.ts';

const count = 3;

/** Starts a server that opens tunnels, and never responds to a TLS handshake. */
async function startSilent() {
  const sockets = new Set<Socket>();
  const allConnected = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    sockets.add(socket);
    if (sockets.size === count) allConnected.resolve();
    socket
      .on('error', () => {})
      .on('data', (data) => {
        if (data.toString('latin1').startsWith('CONNECT')) socket.write('HTTP/1.1 200 OK\r\n\r\n');
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    allConnected: allConnected.promise,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

// Regression: undici started only one TLS handshake with the receiver. All other calls waited for that handshake. The
// waiting calls timed out without a connection, and counted as attempts.
it.each<[string, (port: number) => string | undefined]>([
  ['directly', () => undefined],
  ['through a proxy', (port) => `http://localhost:${port}`],
  ['through a proxy with TLS', (port) => `https://localhost:${port}`],
])('callbacks: no call waits for the TLS handshake of another, %s', async (_what, proxyOf) => {
  await using server = await startSilent();
  await using sender = createCallbackSender({
    clock: systemClock,
    now: () => Date.now(),
    timeoutMs: 5_000,
    policy: { allowLoopback: true, privateRanges: [], ports: [[1, 65_535]], httpsOnly: false },
    resolver: { resolve: () => Promise.reject(new Error('no name')), [Symbol.dispose]() {} },
    keys: { signing: () => [] },
    proxyUrl: proxyOf(server.port),
    log: silentLog,
  });
  const stop = new AbortController();
  const url = `https://127.0.0.1:${server.port}/`;
  const calls = Array.from({ length: count }, () =>
    sender.send({ id: 'an-id', body: '{}', secrets: [], url }, stop.signal),
  );
  await Promise.race([server.allConnected, ...calls]);
  expect(server.sockets.size).toBe(count);
  stop.abort();
  for (const result of await Promise.all(calls)) expect(result).toEqual({ outcome: 'stopped' });
});
