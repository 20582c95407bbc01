import { systemClock } from '@voucher-gateway/platform/async/clock';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { startTcpProxy } from '@voucher-gateway/platform/testing/tcp-proxy';
import { describe, expect, it } from 'vitest';
import { createProvider } from './provider.ts';
import { startTestIntegration } from './testing/integration.ts';
import { startProvider } from './testing/provider.ts';

describe('concurrency', () => {
  it('concurrency: is bounded by VPS_CONCURRENCY, over first requests and retries', async () => {
    let open = 0;
    let most = 0;
    const seen = new Set<string>();
    await using provider = await startProvider(async (key) => {
      open += 1;
      most = Math.max(most, open);
      await new Promise(setImmediate);
      open -= 1;
      if (seen.has(key)) return { status: 'SUCCESS', voucherCode: `CODE-${key}`, message: 'ready' };
      seen.add(key);
      throw new Error('not now');
    });
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url, VPS_CONCURRENCY: '3' } });
    for (let request = 0; request < 40; request += 1) await ctx.publish();
    const outcomes = await ctx.outcome(40);
    expect(outcomes.filter((outcome) => 'code' in outcome)).toHaveLength(40);
    expect(most).toBeLessThanOrEqual(3);
  });

  it('concurrency: retries many requests at once after an outage', async () => {
    const seen = new Set<string>();
    const allArrived = Promise.withResolvers<void>();
    let again = 0;
    await using provider = await startProvider(async (key) => {
      if (!seen.has(key)) {
        seen.add(key);
        throw new Error('not now');
      }
      // The provider answers only when the retries of all 40 requests have arrived. If fewer than 40 retries were
      // concurrent, the test would time out.
      again += 1;
      if (again === 40) allArrived.resolve();
      await allArrived.promise;
      return { status: 'SUCCESS', voucherCode: `CODE-${key}`, message: 'ready' };
    });
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url } });
    for (let request = 0; request < 40; request += 1) await ctx.publish();
    expect((await ctx.outcome(40)).filter((outcome) => 'code' in outcome)).toHaveLength(40);
  });

  it('concurrency: has a hundred requests in flight', async () => {
    const all = Promise.withResolvers<object>();
    let received = 0;
    // The provider answers only when all 100 requests have arrived. With sequential requests, the test would time out.
    await using provider = await startProvider(async (key) => {
      received += 1;
      if (received === 100) all.resolve({});
      await all.promise;
      return { status: 'SUCCESS', voucherCode: `CODE-${key}` };
    });
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url } });
    await Promise.all(Array.from({ length: 100 }, () => ctx.publish()));
    expect(new Set((await ctx.outcome(100)).map((outcome) => outcome.requestId)).size).toBe(100);
  });

  it('concurrency: no request waits for the TLS handshake of another', async () => {
    // Regression: undici started only one TLS handshake with the provider. All other requests waited for that
    // handshake.
    await using receiver = await startReceiver();
    await using silent = await startTcpProxy(receiver.url.replace('http:', 'https:'));
    silent.silence();
    await using provider = createProvider({ url: silent.url, timeoutMs: 3_000, clock: systemClock, concurrency: 3 });
    const stop = new AbortController();
    const ask = (requestId: string) =>
      provider.ask({ requestId, phoneNumber: '+84909123456', callbackUrl: 'https://example.com/' }, stop.signal);
    const answers = ['a', 'b', 'c'].map(ask);
    await Promise.race([silent.untilTaken(3), ...answers]);
    expect(silent.taken).toBe(3);
    stop.abort();
    for (const { status } of await Promise.allSettled(answers)) expect(status).toBe('rejected');
  });
});
