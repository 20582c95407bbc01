import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createTestClock, systemClock } from '@voucher-gateway/platform/async/clock';
import type { NameResolver } from '@voucher-gateway/platform/egress/name-resolver';
import { type Log, silentLog } from '@voucher-gateway/platform/process/log';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { describe, expect, it } from 'vitest';
import { delivered, failed } from '../../attempt-result.ts';
import { startEgressProxy } from '../../testing/egress-proxy.ts';
import { createCallbackSender } from './send.ts';

const never = new AbortController().signal;
const callback = { id: 'an-id', body: '{}', secrets: [`whsec_${Buffer.alloc(32).toString('base64')}`] };
const openSender = ({
  clock = systemClock,
  allowLoopback = true,
  resolve = () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })),
  proxyUrl,
  log = silentLog,
}: {
  clock?: typeof systemClock;
  allowLoopback?: boolean;
  resolve?: NameResolver['resolve'];
  proxyUrl?: string;
  log?: Log;
} = {}) =>
  createCallbackSender({
    clock,
    now: () => clock.now(),
    timeoutMs: 10_000,
    policy: { allowLoopback, privateRanges: [], ports: [[1, 65_535]], httpsOnly: false },
    resolver: { resolve, [Symbol.dispose]() {} },
    keys: { signing: () => [] },
    proxyUrl,
    log,
  });

describe('send', () => {
  it.each([200, 201, 204, 299])('send: status %d is delivered', async (status) => {
    await using receiver = await startReceiver();
    await using sender = openSender();
    receiver.answer = (response) => void response.writeHead(status).end();
    expect(await sender.send({ ...callback, url: receiver.url }, never)).toEqual(delivered(status));
  });

  it.each([400, 404, 500, 503])('send: status %d is a failure', async (status) => {
    await using receiver = await startReceiver();
    await using sender = openSender();
    receiver.answer = (response) => void response.writeHead(status).end('no');
    expect(await sender.send({ ...callback, url: receiver.url }, never)).toEqual(
      failed('HTTP_ERROR', { status, response: 'no' }),
    );
  });

  it('send: status 410 is final', async () => {
    await using receiver = await startReceiver();
    await using sender = openSender();
    receiver.answer = (response) => void response.writeHead(410).end();
    expect(await sender.send({ ...callback, url: receiver.url }, never)).toEqual(
      failed('HTTP_ERROR', { status: 410, final: true }),
    );
  });

  it('send: returns Retry-After', async () => {
    await using receiver = await startReceiver();
    await using sender = openSender();
    receiver.answer = (response) => void response.writeHead(429, { 'retry-after': '120' }).end();
    expect(await sender.send({ ...callback, url: receiver.url }, never)).toEqual(
      failed('HTTP_ERROR', { status: 429, retryAfterMs: 120_000 }),
    );
  });

  it('send: does not follow redirects', async () => {
    await using other = await startReceiver();
    await using receiver = await startReceiver();
    await using sender = openSender();
    receiver.answer = (response) => void response.writeHead(307, { location: other.url }).end();
    expect(await sender.send({ ...callback, url: receiver.url }, never)).toEqual(failed('HTTP_ERROR', { status: 307 }));
    expect(other.calls).toEqual([]);
  });

  it('send: is decided by the status, whatever the size of the body', async () => {
    await using receiver = await startReceiver();
    await using sender = openSender();
    const closed = Promise.withResolvers<void>();
    receiver.answer = (response) => {
      const chunk = Buffer.alloc(8_192);
      const pour = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', pour).on('close', closed.resolve);
      response.writeHead(200);
      pour();
    };
    expect(await sender.send({ ...callback, url: receiver.url }, never)).toEqual({
      ...delivered(200),
      response: expect.any(String),
    });
    await closed.promise;
  });

  it('send: ends a body without end at the time-out, and keeps what has arrived', async () => {
    await using receiver = await startReceiver();
    const clock = createTestClock();
    await using sender = openSender({ clock });
    receiver.answer = (response) => void response.writeHead(500).write('busy');
    // The clock advances after the head has arrived, while the sender reads the body.
    const onHead = () => void setImmediate(() => clock.advance(10_000));
    subscribe('undici:request:headers', onHead);
    using resources = new DisposableStack();
    resources.defer(() => unsubscribe('undici:request:headers', onHead));
    expect(await sender.send({ ...callback, url: receiver.url }, never)).toMatchObject({
      error: 'HTTP_ERROR',
      status: 500,
    });
  });

  it('send: times out without a response', async () => {
    await using receiver = await startReceiver();
    const clock = createTestClock();
    await using sender = openSender({ clock });
    receiver.answer = () => clock.advance(10_000);
    expect(await sender.send({ ...callback, url: receiver.url }, never)).toEqual(failed('TIMEOUT'));
  });

  it('send: reports that it was stopped', async () => {
    await using receiver = await startReceiver();
    await using sender = openSender();
    const stop = new AbortController();
    receiver.answer = () => stop.abort();
    expect(await sender.send({ ...callback, url: receiver.url }, stop.signal)).toEqual({ outcome: 'stopped' });
  });

  it('send: reports a refused connection', async () => {
    const receiver = await startReceiver();
    await receiver[Symbol.asyncDispose]();
    await using sender = openSender();
    expect(await sender.send({ ...callback, url: receiver.url }, never)).toEqual(failed('CONNECTION_REFUSED'));
  });

  it('send: reports a lost connection, and a response that is not HTTP', async () => {
    await using sender = openSender();
    for (const [response, code] of [
      ['', 'CONNECTION_LOST'],
      ['hello\r\n\r\n', 'RESPONSE_INVALID'],
    ] as const) {
      const server = createServer((socket) => void socket.once('data', () => socket.end(response))).listen(
        0,
        '127.0.0.1',
      );
      await new Promise((resolve) => server.once('listening', resolve));
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      expect(await sender.send({ ...callback, url }, never)).toEqual(failed(code));
      server.close();
    }
  });

  it('send: reports a failed DNS lookup, and a failed TLS handshake', async () => {
    await using receiver = await startReceiver();
    await using sender = openSender();
    expect(await sender.send({ ...callback, url: 'http://receiver.example.com/' }, never)).toEqual(
      failed('DNS_FAILED'),
    );
    expect(await sender.send({ ...callback, url: receiver.url.replace('http:', 'https:') }, never)).toEqual(
      failed('TLS_FAILED'),
    );
  });

  it.each([
    ['http://', 'URL_INVALID'],
    ['ftp://receiver.example.com/', 'ADDRESS_REFUSED'],
    ['javascript:alert(1)', 'ADDRESS_REFUSED'],
    ['http://intranet/', 'ADDRESS_REFUSED'],
  ] as const)('send: reports %s as %s, without a retry', async (url, error) => {
    await using sender = openSender();
    expect(await sender.send({ ...callback, url }, never)).toEqual(failed(error, { final: true }));
  });

  it.each([
    'http://127.0.0.1',
    'http://[::1]',
    'http://[::ffff:7f00:1]',
    'http://0.0.0.0',
    'http://2130706433',
    'http://0x7f.1',
    'http://127.0.0.1.',
    'http://①②⑦.⓪.⓪.①',
    'http://[::127.0.0.1]',
    'http://[64:ff9b::127.0.0.1]',
    'http://localhost',
    'http://0',
    'https://10.0.0.1',
  ])('send: refuses %s if loopback is not allowed', async (origin) => {
    await using receiver = await startReceiver();
    await using sender = openSender({ allowLoopback: false });
    const url = `${origin}:${new URL(receiver.url).port}/`;
    expect(await sender.send({ ...callback, url }, never)).toEqual(failed('ADDRESS_REFUSED', { final: true }));
    expect(receiver.calls).toEqual([]);
  });

  it('send: checks all addresses of a name at each connection', async () => {
    await using receiver = await startReceiver();
    let lookups = 0;
    const resolve = async () => {
      lookups += 1;
      return [
        { address: '8.8.8.8', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ];
    };
    await using sender = openSender({ allowLoopback: false, resolve });
    const url = receiver.url.replace('127.0.0.1', 'receiver.example.com');
    for (const _turn of [1, 2])
      expect(await sender.send({ ...callback, url }, never)).toEqual(failed('ADDRESS_REFUSED'));
    expect(lookups).toBe(2);
  });

  it('send: connects to the resolved address', async () => {
    await using receiver = await startReceiver({ answer: 204 });
    await using sender = openSender({
      resolve: async () => [{ address: '127.0.0.1', family: 4 }],
    });
    const url = receiver.url.replace('127.0.0.1', 'receiver.example.com');
    expect(await sender.send({ ...callback, url }, never)).toEqual(delivered(204));
  });

  // Regression: receivers could keep each connection open for 10 minutes, until the process ran out of file
  // descriptors.
  it('send: closes an idle connection soon although the receiver promises to keep it', async () => {
    const server = createHttpServer((_request, response) => {
      response.writeHead(204, { connection: 'keep-alive', 'keep-alive': 'timeout=599' }).end();
    });
    server.keepAliveTimeout = 600_000;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const connected = once(server, 'connection') as Promise<[Socket]>;
    await using sender = openSender();
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    expect(await sender.send({ ...callback, url }, never)).toEqual(delivered(204));
    const [socket] = await connected;
    await once(socket, 'close', { signal: AbortSignal.timeout(60_000) });
    server.close();
  });

  it('send: goes through a proxy, and still refuses internal addresses and names', async () => {
    await using receiver = await startReceiver();
    await using proxy = await startEgressProxy(receiver.url);
    await using sender = openSender({ allowLoopback: false, proxyUrl: proxy.url });
    expect(await sender.send({ ...callback, url: 'http://receiver.example.com/hook' }, never)).toEqual(
      delivered(200, '{}'),
    );
    expect(await sender.send({ ...callback, url: 'http://10.0.0.1/' }, never)).toEqual(
      failed('ADDRESS_REFUSED', { final: true }),
    );
    expect(proxy.targets).toEqual(['receiver.example.com:80']);
  });
});
