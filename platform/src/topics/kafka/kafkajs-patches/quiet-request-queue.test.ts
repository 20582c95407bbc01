import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { patchRequestQueue } from './quiet-request-queue.ts';

const open = () => {
  patchRequestQueue();
  const RequestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue');
  const queue = new RequestQueue({
    instrumentationEmitter: null,
    maxInFlightRequests: 1,
    requestTimeout: 1_000,
    enforceRequestTimeout: false,
    clientId: 'test',
    broker: 'none',
    logger: { debug() {}, namespace: () => ({ debug() {} }) },
  });
  return Object.assign(queue, { [Symbol.dispose]: () => queue.destroy() });
};

it('kafkajs: sets no timer on an idle connection', () => {
  using queue = open();
  queue.scheduleCheckPendingRequests();
  expect(queue.throttleCheckTimeoutId).toBeNull();
});

it('kafkajs: checks its queue while a request waits or the broker throttles', () => {
  using waiting = open();
  waiting.pending.push({});
  waiting.scheduleCheckPendingRequests();
  expect(waiting.throttleCheckTimeoutId).not.toBeNull();
  using throttled = open();
  throttled.throttledUntil = Date.now() + 60_000;
  throttled.scheduleCheckPendingRequests();
  expect(throttled.throttleCheckTimeoutId).not.toBeNull();
});
