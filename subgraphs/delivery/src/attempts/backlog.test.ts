import { silentLog } from '@voucher-gateway/platform/process/log';
import { expect, it } from 'vitest';
import { startBacklog } from './backlog.ts';

/** Starts a backlog whose due deliveries get no permits. Each read takes `readMs`, and its times are recorded. */
async function startBlocked({ readMs }: { readMs: number }) {
  const reads: { startedAt: number; endedAt: number }[] = [];
  const backlog = startBacklog({
    queues: {
      async readDue() {
        const startedAt = performance.now();
        await new Promise((resolve) => setTimeout(resolve, readMs));
        reads.push({ startedAt, endedAt: performance.now() });
        return { due: [{ endpointId: 'a', count: 1, userId: 'u', url: 'http://a.invalid' }], disabled: [], last: null };
      },
      releaseExpired: async () => {},
      begin: async () => [],
      fail: async () => 0,
    },
    admission: { tryAdmit: () => null },
    start() {},
    log: silentLog,
  });
  return {
    backlog,
    /** Returns the pauses between the first reads, in milliseconds. */
    async rests(count: number): Promise<number[]> {
      await expect.poll(() => reads.length, { interval: 5 }).toBeGreaterThan(count);
      return reads.slice(1, count + 1).map(({ startedAt }, index) => startedAt - (reads[index]?.endedAt ?? 0));
    },
    [Symbol.asyncDispose]: () => backlog[Symbol.asyncDispose](),
  };
}

// Regression: each new delivery to a dead endpoint started another read of the queues at once.
it('backlog: rests between reads although new deliveries wake it all the time', async () => {
  await using blocked = await startBlocked({ readMs: 1 });
  const timer = setInterval(() => blocked.backlog.wake(), 1);
  try {
    // Timers may fire up to a millisecond early.
    expect(Math.min(...(await blocked.rests(20)))).toBeGreaterThanOrEqual(18);
  } finally {
    clearInterval(timer);
  }
});

// Regression: 1,000 dead endpoints with 200 due deliveries each used 40 % of a core of the database, per process.
it('backlog: rests longer than a read of blocked queues took', async () => {
  await using blocked = await startBlocked({ readMs: 60 });
  expect(Math.min(...(await blocked.rests(3)))).toBeGreaterThanOrEqual(250);
});

it('backlog: starts few attempts per turn of the event loop', async () => {
  const url = 'http://a.invalid';
  const queues = Array.from({ length: 100 }, (_, index) => ({ endpointId: `${index}`, count: 1, userId: 'u', url }));
  const all = Promise.withResolvers<void>();
  /** Number of attempts that started in each iteration of the event loop. */
  const started = [0];
  const onTurn = () => {
    started.push(0);
    immediate = setImmediate(onTurn);
  };
  let immediate = setImmediate(onTurn);
  await using _backlog = startBacklog({
    queues: {
      readDue: async () => ({ due: queues, disabled: [], last: null }),
      releaseExpired: async () => {},
      begin: async (counts) => [...counts.keys()].map((endpointId) => ({ endpointId }) as never),
      fail: async () => 0,
    },
    admission: { tryAdmit: () => ({ release() {} }) },
    start(_delivery, permit) {
      permit.release(null);
      started.push((started.pop() ?? 0) + 1);
      if (started.reduce((sum, count) => sum + count, 0) === queues.length) all.resolve();
    },
    log: silentLog,
  });
  await all.promise;
  clearImmediate(immediate);
  // Up to two groups of 16 attempts may start between two callbacks of `setImmediate`.
  expect(Math.max(...started)).toBeLessThanOrEqual(32);
});
