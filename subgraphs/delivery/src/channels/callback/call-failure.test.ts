import { systemClock } from '@voucher-gateway/platform/async/clock';
import { createNameResolver } from '@voucher-gateway/platform/egress/name-resolver';
import { startDnsServer } from '@voucher-gateway/platform/testing/dns-server';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { describe, expect, it } from 'vitest';
import { delivered, failed } from '../../attempt-result.ts';
import { startEgressProxy } from '../../testing/egress-proxy.ts';
import { readCallFailure } from './call-failure.ts';
import { createCallbackSender } from './send.ts';

/** Starts a receiver, and a sender that reaches it through a proxy. */
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

  // Regression: while our proxy was down, callbacks used up their attempts, and endpoints were finally disabled.
  it.each(urls)('proxy: is away, which is no attempt at %s, and an alarm', async (url) => {
    await using ctx = await setUp();
    await ctx.proxy.stop();
    expect(await ctx.send(url)).toMatchObject(postponed);
    expect(ctx.log.text).toMatch(/"level":"error".*CALLBACKS_UNAVAILABLE/);
    expect(ctx.log.text).not.toContain('secret');
  });

  // Regression: without a tunnel, the proxy's response was mistaken for the receiver's, and counted as a failed
  // attempt.
  it.each(urls)('proxy: refuses our credentials, which is no attempt at %s, and an alarm', async (url) => {
    await using ctx = await setUp();
    ctx.proxy.status = 407;
    expect(await ctx.send(url)).toMatchObject(postponed);
    expect(ctx.log.text).toMatch(/"level":"error".*CALLBACKS_UNAVAILABLE.*refuses our credentials/);
    expect(ctx.log.text).not.toContain('secret');
    ctx.proxy.status = 200;
    expect(await ctx.send('http://receiver.example.com/')).toEqual(delivered(200, '{}'));
  });

  it('proxy: a 407 of the receiver is a failed attempt, and is not postponed', async () => {
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

/** Creates a sender that resolves names by one or two name servers. `call` returns the result of one call. */
async function setUpNames(...servers: string[]) {
  await using releases = new AsyncDisposableStack();
  const log = createMemoryLog();
  const sender = releases.use(
    createCallbackSender({
      clock: systemClock,
      now: () => Date.now(),
      timeoutMs: 10_000,
      policy: { allowLoopback: true, privateRanges: [], ports: [[1, 65_535]], httpsOnly: false },
      resolver: releases.use(createNameResolver({ servers, timeoutMs: 400 })),
      keys: { signing: () => [] },
      log,
    }),
  );
  const owned = releases.move();
  return {
    log,
    send: (url: string) => sender.send({ id: 'an-id', body: '{}', secrets: [], url }, new AbortController().signal),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe('name servers', () => {
  // Regression: while our name servers were down, attempts failed with CONNECTION_REFUSED, and counted against the
  // receiver.
  it('name servers: if none can be reached, it is no attempt, and an alarm', async () => {
    const away = await startDnsServer();
    await away[Symbol.asyncDispose]();
    await using ctx = await setUpNames(away.address);
    expect(await ctx.send('http://receiver.example.com/')).toMatchObject(postponed);
    expect(ctx.log.text).toMatch(/"level":"error".*CALLBACKS_UNAVAILABLE/);
  });

  // Regression: while our name servers were silent, attempts failed with DNS_FAILED, and counted against the receiver.
  it('name servers: if all are silent for a while, it is no attempt, and an alarm', async () => {
    await using dns = await startDnsServer();
    await using other = await startDnsServer();
    await using receiver = await startReceiver();
    await using ctx = await setUpNames(dns.address, other.address);
    for (const server of [dns, other]) {
      server.fault = 'silent';
      server.addresses.set('receiver.example.com', ['127.0.0.1']);
    }
    const url = `http://receiver.example.com:${new URL(receiver.url).port}/`;
    expect(await ctx.send(url)).toMatchObject(postponed);
    expect(ctx.log.text).toMatch(/"level":"error".*CALLBACKS_UNAVAILABLE/);
    dns.fault = null;
    expect(await ctx.send(url)).toEqual(delivered(200, '{}'));
  });

  it.each([
    ['is silent', null],
    ['does not exist', undefined],
    // Regression: a name that has only an alias crashed the process.
    ['has an alias only', ['alias.example.com']],
  ])('name servers: a single name that %s is a failed attempt', async (_what, addresses) => {
    await using dns = await startDnsServer();
    await using ctx = await setUpNames(dns.address);
    if (addresses !== undefined) dns.addresses.set('receiver.example.com', addresses);
    expect(await ctx.send('http://receiver.example.com/')).toEqual(failed('DNS_FAILED'));
    expect(ctx.log.text).not.toContain('CALLBACKS_UNAVAILABLE');
  });

  // Regression: for a name server that was down, c-ares reported a refused connection. This looked as if the receiver
  // had refused the connection.
  it('name servers: a silent name while one of two is away is a failed attempt', async () => {
    await using dns = await startDnsServer();
    const away = await startDnsServer();
    await away[Symbol.asyncDispose]();
    await using ctx = await setUpNames(dns.address, away.address);
    dns.addresses.set('receiver.example.com', null);
    expect(await ctx.send('http://receiver.example.com/')).toEqual(failed('DNS_FAILED'));
  });
});

it.each(['EMFILE', 'ENFILE'])('files: %s is no attempt', (code) => {
  expect(readCallFailure(Object.assign(new Error(code), { code }))).toEqual({ fault: expect.any(String) });
});
