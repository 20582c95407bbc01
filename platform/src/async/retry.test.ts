import { expect, it } from 'vitest';
import { createMemoryLog } from '../testing/log.ts';
import { retryEverySecond } from './retry.ts';

// Regression: at its stop, a consumer logged for each message that the message could not be moved to the dead-letter
// topic.
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
