import { expect, it } from 'vitest';
import { createMemoryLog } from '../testing/log.ts';
import { retryEverySecond } from './retry.ts';

// Regression: a consumer that stopped logged a failed move to the dead-letter topic for each of its messages.
it('retry: logs no failure that is caused by the stop', async () => {
  const stop = new AbortController();
  const log = createMemoryLog();
  const work = async () => {
    stop.abort();
    stop.signal.throwIfAborted();
  };
  expect(await retryEverySecond(work, { signal: stop.signal, log, fields: {}, failing: 'it failed' })).toBe(false);
  expect(log.text).toBe('');
});
