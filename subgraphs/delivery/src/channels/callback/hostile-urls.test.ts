import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { systemClock } from '@voucher-gateway/platform/async/clock';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { type HostileUrl, hostileUrls } from '@voucher-gateway/platform/testing/hostile/hostile-urls';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { afterAll, describe, expect, it } from 'vitest';
import { delivered, failed } from '../../attempt-result.ts';
import { createCallbackSender } from './send.ts';

// Counts the sockets that this process opens and the names that it resolves.
let dialled = 0;
const onDial = () => {
  dialled += 1;
};
subscribe('net.client.socket', onDial);
afterAll(() => unsubscribe('net.client.socket', onDial));

const open = (allowLoopback: boolean) =>
  createCallbackSender({
    log: silentLog,
    clock: systemClock,
    now: () => systemClock.now(),
    timeoutMs: 10_000,
    // These are the default settings.
    policy: {
      allowLoopback,
      privateRanges: [],
      ports: [
        [80, 80],
        [443, 443],
        [1_024, 65_535],
      ],
      httpsOnly: false,
    },
    resolver: {
      async resolve() {
        dialled += 1;
        return [{ address: '127.0.0.1', family: 4 }];
      },
      [Symbol.dispose]() {},
    },
    keys: { signing: () => [] },
  });
const production = open(false);
const development = open(true);
afterAll(() => Promise.all([production, development].map((sender) => sender[Symbol.asyncDispose]())));
const send = (sender: typeof production, url: string) =>
  sender.send({ id: 'an-id', body: '{}', secrets: [], url }, new AbortController().signal);
const titled = (urls: readonly HostileUrl[]) => urls.map(({ url }) => url);

it('send: a call that is made is seen', async () => {
  await using receiver = await startReceiver({ answer: 204 });
  const before = dialled;
  expect(await send(development, receiver.url)).toEqual(delivered(204));
  expect(dialled).toBe(before + 1);
});

describe('in production', () => {
  it.each(titled(hostileUrls))('send: dials nothing for %s', async (url) => {
    const before = dialled;
    expect(await send(production, url)).toEqual(failed('ADDRESS_REFUSED', { final: true }));
    expect(dialled).toBe(before);
  });
});

describe('in development', () => {
  it.each(titled(hostileUrls.filter(({ isLoopback }) => !isLoopback)))('send: dials nothing for %s', async (url) => {
    const before = dialled;
    expect(await send(development, url)).toEqual(failed('ADDRESS_REFUSED', { final: true }));
    expect(dialled).toBe(before);
  });
});

it('hostile URLs: there are at least 60', () => {
  expect(new Set(titled(hostileUrls)).size).toBeGreaterThanOrEqual(60);
});
