import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { describe, expect, it } from 'vitest';
import { type ConnectionLimits, createOpenConnections, type DrainTime } from './connections.ts';

const off = Number.POSITIVE_INFINITY;

function setUp(limits: Partial<ConnectionLimits> = {}) {
  const log = createMemoryLog();
  let nowMs = 0;
  const time: DrainTime = {
    now: () => nowMs,
    async sleep(durationMs) {
      nowMs += durationMs;
    },
  };
  const connections = createOpenConnections(
    { total: off, perAddress: off, anonymousPerAddress: off, ...limits },
    log,
    time,
  );
  const open = (address = '203.0.113.1', { isAnonymous = true, close = () => {} } = {} as Partial<Opening>) =>
    connections.tryAdd({ address, isAnonymous }, close);
  return { connections, open, log, now: time.now };
}
interface Opening {
  isAnonymous: boolean;
  close(force: AbortSignal): Promise<void> | void;
}

describe('open connections', () => {
  it('are counted', () => {
    const { connections, open } = setUp();
    const one = open();
    open();
    expect(connections.count).toBe(2);
    one?.[Symbol.dispose]();
    one?.[Symbol.dispose]();
    expect(connections.count).toBe(1);
  });

  it('are limited per process', () => {
    const { open, log } = setUp({ total: 2 });
    const one = open('203.0.113.1');
    expect(open('203.0.113.2')).not.toBeNull();
    expect(open('203.0.113.3')).toBeNull();
    one?.[Symbol.dispose]();
    expect(open('203.0.113.3')).not.toBeNull();
    expect(log.text).toContain('"limit":"total","maximum":2');
  });

  it('are limited per address', () => {
    const { open } = setUp({ perAddress: 2 });
    const one = open('203.0.113.1', { isAnonymous: false });
    open('203.0.113.1');
    expect(open('203.0.113.1')).toBeNull();
    expect(open('203.0.113.2')).not.toBeNull();
    one?.[Symbol.dispose]();
    expect(open('203.0.113.1')).not.toBeNull();
  });

  it('of an IPv6 /64 count as one address', () => {
    const { open } = setUp({ perAddress: 1 });
    expect(open('2001:db8:1:2::1')).not.toBeNull();
    expect(open('2001:db8:1:2:ffff::1')).toBeNull();
    expect(open('2001:db8:1:3::1')).not.toBeNull();
  });

  it('without a sign-in have a lower limit, and signing in frees one', () => {
    const { open } = setUp({ perAddress: 4, anonymousPerAddress: 1 });
    const one = open();
    expect(open()).toBeNull();
    expect(open(undefined, { isAnonymous: false })).not.toBeNull();
    one?.signIn();
    one?.signIn();
    const two = open();
    expect(two).not.toBeNull();
    expect(open()).toBeNull();
    one?.[Symbol.dispose]();
    expect(open()).toBeNull();
    two?.[Symbol.dispose]();
    expect(open()).not.toBeNull();
  });

  it('summarise repeated rejections in the log', () => {
    const { open, log } = setUp({ total: 1 });
    for (let count = 0; count < 1_000; count += 1) open();
    expect(log.text.split('\n').filter((line) => line.includes('rejected'))).toHaveLength(1);
  });
});

describe('drain', () => {
  it('closes each connection once, in order of arrival, spread over the window', async () => {
    const { connections, open, now } = setUp();
    const closed: { index: number; atMs: number }[] = [];
    for (let index = 0; index < 50; index += 1)
      open(undefined, { close: () => void closed.push({ index, atMs: now() }) });
    await connections.drain(100);
    expect(closed).toEqual(Array.from({ length: 50 }, (_, index) => ({ index, atMs: index * 2 })));
    expect(connections.count).toBe(0);
  });

  it('waits for the slowest, skips closed ones, and closes new ones at once', async () => {
    const { connections, open } = setUp();
    const slow = Promise.withResolvers<void>();
    let closed = 0;
    open(undefined, { close: () => slow.promise });
    const count = () => {
      closed += 1;
    };
    open(undefined, { close: count })?.[Symbol.dispose]();
    let isDrained = false;
    const drained = connections.drain(1).then(() => {
      isDrained = true;
    });
    expect(connections.isDraining).toBe(true);
    open(undefined, { close: count });
    await Promise.resolve();
    expect(closed).toBe(1);
    await new Promise(setImmediate);
    expect(isDrained).toBe(false);
    slow.resolve();
    await drained;
    expect(closed).toBe(1);
  });

  it('aborts the wait for running operations at its deadline', async () => {
    const { connections, open } = setUp();
    open(undefined, {
      close: (force) => new Promise((resolve) => force.addEventListener('abort', () => resolve())),
    });
    await connections.drain(1, 1);
    expect(connections.count).toBe(0);
  });

  it('continues after a connection that fails to close', async () => {
    const { connections, open, log } = setUp();
    let closed = 0;
    open(undefined, { close: () => Promise.reject(new Error('rejected')) });
    open(undefined, {
      close: () => {
        throw new Error('thrown');
      },
    });
    open(undefined, {
      close: () => {
        closed += 1;
      },
    });
    await connections.drain(1);
    open(undefined, { close: () => Promise.reject(new Error('late')) });
    await new Promise(setImmediate);
    expect(closed).toBe(1);
    for (const message of ['rejected', 'thrown', 'late']) expect(log.text).toContain(message);
  });
});
