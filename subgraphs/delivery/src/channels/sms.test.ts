import { systemClock } from '@voucher-gateway/platform/async/clock';
import { countAlive } from '@voucher-gateway/platform/testing/count-alive';
import { expect, it } from 'vitest';
import { sendSms } from './sms.ts';

// Regression: each attempt left a listener on a signal that depends on `stop`, which lives as long as the service.
it('sms: an attempt leaves nothing in memory', async () => {
  const stop = new AbortController();
  const signals: WeakRef<object>[] = [];
  const sender = {
    send: async (_sms: unknown, { signal }: { signal?: AbortSignal } = {}) => {
      signals.push(new WeakRef(signal as AbortSignal));
      if (signals.length % 2 === 0) throw new Error('refused');
    },
  };
  const sms = { phoneNumber: '+84909123456', text: 'a code', idempotencyKey: 'key' };
  const outcomes = new Set<string>();
  for (let count = 0; count < 10; count += 1)
    outcomes.add((await sendSms(sms, { sender, clock: systemClock, timeoutMs: 60_000, stop: stop.signal })).outcome);
  expect([...outcomes]).toEqual(['delivered', 'failed']);
  await expect.poll(() => countAlive(signals)).toBe(0);
  expect(stop.signal.aborted).toBe(false);
});
