import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { systemClock } from '@voucher-gateway/platform/async/clock';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { describe, expect, it } from 'vitest';
import { failed } from '../../attempt-result.ts';
import { createCallbackSender } from './send.ts';

const established = 'HTTP/1.1 200 OK\r\n\r\n';
const urls = ['http://receiver.example.com/', 'https://receiver.example.com/'];
const postponed = { outcome: 'postponed', reason: 'CALLBACKS_UNAVAILABLE' };

/** Listens for connections. Disposing closes them. */
async function listen(onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function openSender(proxyUrl: string, timeoutMs = 10_000) {
  return createCallbackSender({
    clock: systemClock,
    now: () => Date.now(),
    timeoutMs,
    policy: { allowLoopback: false, privateRanges: [], ports: [[1, 65_535]], httpsOnly: false },
    resolver: { resolve: () => Promise.reject(new Error('the proxy resolves')), [Symbol.dispose]() {} },
    keys: { signing: () => [] },
    proxyUrl,
    log: silentLog,
  });
}

/** Starts a proxy that calls `onHead` with the head of each request, and a sender that uses the proxy. */
async function setUp(onHead: (socket: Socket, head: string) => void, { timeoutMs = 10_000, scheme = 'http' } = {}) {
  await using releases = new AsyncDisposableStack();
  const heads: string[] = [];
  const closed: Promise<unknown>[] = [];
  const server = await listen((socket) => {
    closed.push(new Promise((resolve) => socket.once('close', resolve)));
    let head = '';
    socket.on('data', (data) => {
      const isComplete = head.includes('\r\n\r\n');
      head += data.toString('latin1');
      if (isComplete || !head.includes('\r\n\r\n')) return;
      heads.push(head);
      onHead(socket, head);
    });
  });
  releases.use(server);
  const sender = releases.use(openSender(`${scheme}://localhost:${server.port}`, timeoutMs));
  const owned = releases.move();
  return {
    /** The heads of all requests to the proxy. */
    heads,
    /** Resolves when all connections to the proxy are closed. */
    whenClosed: () => Promise.all(closed),
    send: (url: string) => sender.send({ id: 'an-id', body: '{}', secrets: [], url }, new AbortController().signal),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe('proxy: no attempt', () => {
  // Regression: while our proxy was silent or broken, attempts at any receiver were counted as failed. A connection to
  // a silent proxy stayed open for five minutes.
  it.each<[string, (socket: Socket) => void]>([
    ['is silent', () => {}],
    ['closes the connection', (socket) => socket.end()],
    ['resets the connection', (socket) => socket.resetAndDestroy()],
    ['closes in the middle of a head', (socket) => socket.end('HTTP/1.1 200 O')],
    ['speaks no HTTP', (socket) => socket.write('\0garbage\r\n\r\n')],
    ['sends a header of 1 MB', (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(1_000_000)}\r\n\r\n`)],
  ])('proxy: %s to all requests, which is no attempt', async (_what, onHead) => {
    await using ctx = await setUp(onHead, { timeoutMs: 2_000 });
    for (const url of urls) expect(await ctx.send(url)).toMatchObject(postponed);
    await ctx.whenClosed();
  });

  // Regression: the failed handshake with the proxy looked like a failed handshake with the receiver.
  it('proxy: never completes a TLS handshake, which is no attempt', async () => {
    await using ctx = await setUp(() => {}, { timeoutMs: 2_000, scheme: 'https' });
    for (const url of urls) expect(await ctx.send(url)).toMatchObject(postponed);
  });
});

it('proxy: has to prove its own name, for any receiver', async () => {
  const names: string[] = [];
  const tls = createTlsServer({
    SNICallback(name, answer) {
      names.push(name);
      answer(new Error('no certificate'));
    },
  }).on('tlsClientError', () => {});
  await using proxy = await listen((socket) => void tls.emit('connection', socket));
  await using sender = openSender(`https://localhost:${proxy.port}`);
  for (const url of urls)
    expect(
      await sender.send({ id: 'an-id', body: '{}', secrets: [], url }, new AbortController().signal),
    ).toMatchObject(postponed);
  expect(names).toEqual(['localhost', 'localhost']);
});

describe('proxy: failed attempt', () => {
  // If a proxy can not reach a receiver, the proxy may ignore the request for a tunnel, or close the connection. A
  // proxy that responds to a request without a tunnel works. Then the receiver is at fault, and the attempt has failed.
  it.each<[string, (socket: Socket) => void, string]>([
    ['is silent', () => {}, 'TIMEOUT'],
    ['closes the connection', (socket) => socket.end(), 'UNREACHABLE'],
    ['resets the connection', (socket) => socket.resetAndDestroy(), 'UNREACHABLE'],
  ])('proxy: %s to tunnels only, which is a failed attempt', async (_what, onTunnel, error) => {
    await using ctx = await setUp(
      (socket, head) =>
        head.startsWith('CONNECT') ? onTunnel(socket) : socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
      { timeoutMs: 2_000 },
    );
    for (const url of urls) expect(await ctx.send(url)).toMatchObject({ outcome: 'failed', error });
  });

  // Regression: undici reconnected thousands of times within one attempt, if the receiver sent data before the request.
  it('proxy: a receiver that speaks first gets one connection, and the attempt fails', async () => {
    await using ctx = await setUp((socket) => void socket.write(`${established}220 mail.example.com\r\n`));
    for (const url of urls) expect(await ctx.send(url)).toEqual(failed('RESPONSE_INVALID'));
    expect(ctx.heads.length).toBe(2);
  });

  // Regression: receivers were offered HTTP/2 through a proxy, but not without one.
  it('proxy: receivers are offered HTTP/1.1 only', async () => {
    const offered: string[][] = [];
    const receiver = createTlsServer({
      ALPNCallback({ protocols }) {
        offered.push(protocols);
        return undefined;
      },
    }).on('tlsClientError', () => {});
    await using ctx = await setUp((socket) => {
      socket.removeAllListeners('data');
      socket.write(established);
      receiver.emit('connection', socket);
    });
    expect(await ctx.send('https://receiver.example.com/')).toMatchObject({ outcome: 'failed' });
    expect(offered).toEqual([['http/1.1']]);
  });
});
