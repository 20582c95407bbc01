import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { systemClock } from '@voucher-gateway/platform/async/clock';
import { createNameResolver } from '@voucher-gateway/platform/egress/name-resolver';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { describe, expect, it } from 'vitest';
import { delivered, failed } from '../../attempt-result.ts';
import { startEgressProxy } from '../../testing/egress-proxy.ts';
import { readCallFailure } from './call-failure.ts';
import { createCallbackSender } from './send.ts';

/** A receiver, and a sender that reaches it through a proxy. */
async function setUp() {
  await using releases = new AsyncDisposableStack();
  const log = createMemoryLog();
  const receiver = releases.use(await startReceiver());
  const proxy = releases.use(await startEgressProxy(receiver.url));
  const sender = releases.use(
    createCallbackSender({
      clock: systemClock,
      now: () => Date.now(),
      timeoutMs: 10_000,
      policy: { allowLoopback: false, privateRanges: [], ports: [[1, 65_535]], httpsOnly: false },
      resolver: { resolve: () => Promise.reject(new Error('the proxy resolves')), [Symbol.dispose]() {} },
      keys: { signing: () => [] },
      proxyUrl: proxy.url.replace('//', '//ann:secret@'),
      log,
    }),
  );
  const owned = releases.move();
  return {
    log,
    receiver,
    proxy,
    send: (url: string) => sender.send({ id: 'an-id', body: '{}', secrets: [], url }, new AbortController().signal),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const urls = ['http://receiver.example.com/', 'https://receiver.example.com/'];
const postponed = { outcome: 'postponed', reason: 'CALLBACKS_UNAVAILABLE' };

describe('proxy', () => {
  it('proxy: gets its credentials, and the response of the receiver counts', async () => {
    await using ctx = await setUp();
    expect(await ctx.send('http://receiver.example.com/')).toEqual(delivered(200, '{}'));
    expect(ctx.proxy.credentials).toEqual([`Basic ${Buffer.from('ann:secret').toString('base64')}`]);
  });

  // Regression: while our proxy was away, receivers lost their attempts, and were disabled in the end.
  it.each(urls)('proxy: is away, which is no attempt at %s, and an alarm', async (url) => {
    await using ctx = await setUp();
    await ctx.proxy.stop();
    expect(await ctx.send(url)).toMatchObject(postponed);
    expect(ctx.log.text).toMatch(/"level":"error".*CALLBACKS_UNAVAILABLE/);
    expect(ctx.log.text).not.toContain('secret');
  });

  // Regression: without a tunnel this was taken for the response of the receiver, which lost an attempt.
  it.each(urls)('proxy: refuses our credentials, which is no attempt at %s, and an alarm', async (url) => {
    await using ctx = await setUp();
    ctx.proxy.status = 407;
    expect(await ctx.send(url)).toMatchObject(postponed);
    expect(ctx.log.text).toMatch(/"level":"error".*CALLBACKS_UNAVAILABLE.*refuses our credentials/);
    expect(ctx.log.text).not.toContain('secret');
    ctx.proxy.status = 200;
    expect(await ctx.send('http://receiver.example.com/')).toEqual(delivered(200, '{}'));
  });

  it('proxy: a 407 of the receiver is a failed attempt, because it would wait for ever', async () => {
    await using ctx = await setUp();
    ctx.receiver.answer = (response) => void response.writeHead(407).end();
    expect(await ctx.send('http://receiver.example.com/')).toEqual(failed('HTTP_ERROR', { status: 407 }));
  });

  it.each([
    [502, failed('UNREACHABLE')],
    [504, failed('UNREACHABLE')],
    [403, failed('ADDRESS_REFUSED')],
  ])('proxy: a tunnel that it refuses with %d is a failed attempt', async (status, result) => {
    await using ctx = await setUp();
    ctx.proxy.status = status;
    for (const url of urls) expect(await ctx.send(url)).toEqual(result);
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
