import { expect, it } from 'vitest';
import { countAlive } from '../testing/count-alive.ts';
import { untilSettled } from './until-settled.ts';

// Regression: a relay of the outbox raced each batch with the end of the process, which kept an entry per batch.
it('until settled: keeps no result at a signal that never aborts', async () => {
  const { signal } = new AbortController();
  const results: WeakRef<object>[] = [];
  const resolveLater = async () => {
    const result = {};
    results.push(new WeakRef(result));
    return result;
  };
  for (let count = 0; count < 10; count += 1) await untilSettled(resolveLater(), signal);
  await expect.poll(() => countAlive(results)).toBe(0);
  expect(signal.aborted).toBe(false);
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
