import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '@voucher-gateway/platform/async/clock';
import { createNameResolver } from '@voucher-gateway/platform/egress/name-resolver';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { describe, expect, it } from 'vitest';
import { delivered, failed } from '../../attempt-result.ts';
import { readCallFailure } from './call-failure.ts';
import { createCallbackSender } from './send.ts';

/** A proxy that answers each request, and each request for a tunnel, with a status; and a sender that uses it. */
async function setUp(status: number) {
  const log = createMemoryLog();
  const credentials = new Set<unknown>();
  const proxy = createServer((request, response) => {
    credentials.add(request.headers['proxy-authorization']);
    response.writeHead(status).end();
  });
  proxy.on('connect', (request, socket) => {
    credentials.add(request.headers['proxy-authorization']);
    socket.on('error', () => {});
    socket.end(`HTTP/1.1 ${status} Status\r\n\r\n`);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const sender = createCallbackSender({
    clock: systemClock,
    now: () => Date.now(),
    timeoutMs: 10_000,
    policy: { allowLoopback: false, privateRanges: [], ports: [[1, 65_535]], httpsOnly: false },
    resolver: { resolve: () => Promise.reject(new Error('the proxy resolves')), [Symbol.dispose]() {} },
    keys: { signing: () => [] },
    proxyUrl: `http://ann:secret@127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    log,
  });
  const stopProxy = () => {
    proxy.closeAllConnections();
    return new Promise((resolve) => proxy.close(resolve));
  };
  return {
    log,
    credentials,
    stopProxy,
    send: (url: string) => sender.send({ id: 'an-id', body: '{}', secrets: [], url }, new AbortController().signal),
    async [Symbol.asyncDispose]() {
      await sender[Symbol.asyncDispose]();
      await stopProxy();
    },
  };
}

const urls = ['http://receiver.example.com/', 'https://receiver.example.com/'];
const postponed = { outcome: 'postponed', reason: 'CALLBACKS_UNAVAILABLE' };

describe('proxy', () => {
  it('proxy: gets its credentials, and the response of the receiver counts', async () => {
    await using ctx = await setUp(204);
    expect(await ctx.send('http://receiver.example.com/')).toEqual(delivered(204));
    expect([...ctx.credentials]).toEqual([`Basic ${Buffer.from('ann:secret').toString('base64')}`]);
  });

  // Regression: while our proxy was away, receivers lost their attempts, and were disabled in the end.
  it.each(urls)('proxy: is away, which is no attempt at %s, and an alarm', async (url) => {
    await using ctx = await setUp(204);
    await ctx.stopProxy();
    expect(await ctx.send(url)).toMatchObject(postponed);
    expect(ctx.log.text).toMatch(/"level":"error".*CALLBACKS_UNAVAILABLE/);
    expect(ctx.log.text).not.toContain('secret');
  });

  it('proxy: refuses our credentials for a tunnel, which is no attempt', async () => {
    await using ctx = await setUp(407);
    expect(await ctx.send('https://receiver.example.com/')).toMatchObject(postponed);
    // This may be the response of a receiver, which would be postponed for ever.
    expect(await ctx.send('http://receiver.example.com/')).toEqual(failed('HTTP_ERROR', { status: 407 }));
  });

  it.each([
    [502, failed('UNREACHABLE')],
    [504, failed('UNREACHABLE')],
    [403, failed('ADDRESS_REFUSED')],
  ])('proxy: a tunnel that it refuses with %d is a failed attempt', async (status, result) => {
    await using ctx = await setUp(status);
    expect(await ctx.send('https://receiver.example.com/')).toEqual(result);
  });
});

// Regression: while our name servers were away, receivers lost their attempts to CONNECTION_REFUSED.
it('name servers: if none can be reached, it is no attempt, and an alarm', async () => {
  // A port on which nothing listens any more.
  const closed = createSocket('udp4').bind(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address();
  closed.close();
  using resolver = createNameResolver({ servers: [`127.0.0.1:${port}`] });
  const log = createMemoryLog();
  await using sender = createCallbackSender({
    clock: systemClock,
    now: () => Date.now(),
    timeoutMs: 10_000,
    policy: { allowLoopback: false, privateRanges: [], ports: [[1, 65_535]], httpsOnly: false },
    resolver,
    keys: { signing: () => [] },
    log,
  });
  const callback = { id: 'an-id', body: '{}', secrets: [], url: 'http://receiver.example.com/' };
  expect(await sender.send(callback, new AbortController().signal)).toMatchObject(postponed);
  expect(log.text).toMatch(/"level":"error".*CALLBACKS_UNAVAILABLE/);
});

it.each(['EMFILE', 'ENFILE'])('files: %s is no attempt', (code) => {
  expect(readCallFailure(Object.assign(new Error(code), { code }), false)).toEqual({ fault: expect.any(String) });
});
