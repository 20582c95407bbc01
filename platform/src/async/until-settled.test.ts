import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { collectGarbage } from '../testing/count-alive.ts';
import { untilSettled } from './until-settled.ts';

// Regression: each poll of the outbox relay leaked 250 bytes. It called `Promise.race` with a promise that settles only
// when the process ends.
it('until settled: keeps nothing at a signal that never aborts', async () => {
  const { signal } = new AbortController();
  const usedBytes = () => {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const before = usedBytes();
  for (let count = 0; count < 40_000; count += 1) await untilSettled(Promise.resolve(), signal);
  expect(usedBytes() - before).toBeLessThan(4_000_000);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

it('until settled: rejects with the work', async () => {
  const { signal } = new AbortController();
  await expect(untilSettled(Promise.reject(new Error('refused')), signal)).rejects.toThrow('refused');
});

it('until settled: resolves when the signal aborts, before or during the work', async () => {
  const controller = new AbortController();
  const { promise, reject } = Promise.withResolvers<void>();
  const during = untilSettled(promise, controller.signal);
  controller.abort();
  await during;
  await untilSettled(promise, controller.signal);
  reject(new Error('handled: it does not end the process'));
});
