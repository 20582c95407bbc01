import type { ReceiveCode } from '@voucher-gateway/schema/topics';
import { describe, expect, it } from 'vitest';
import { startTestIntegration } from './testing/integration.ts';
import { startProvider, verifierA } from './testing/provider.ts';

describe('log', () => {
  it('log: has one line for a flood of conflicting callbacks', async () => {
    await using ctx = await startTestIntegration();
    const { requestId } = await ctx.publish();
    await ctx.outcome();
    for (let number = 0; number < 20; number += 1)
      expect(await ctx.callback(requestId, { codeVerifier: verifierA, voucherCode: `FORGED-${number}` })).toMatchObject(
        {
          status: 409,
        },
      );
    expect(ctx.alarms).toMatchObject([{ requestId }]);
  });

  // Regression: in an outage of the provider, each retry of each request logged a line.
  it.each([
    ['the provider is down', 503, 'a request to the provider failed'],
    ['the provider rejects us', 401, 'the provider rejects us'],
  ])('log: has one line for many requests while %s', async (_, statusCode, line) => {
    let received = 0;
    await using provider = await startProvider(() => {
      received += 1;
      throw Object.assign(new Error('refused'), { statusCode });
    });
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url } });
    for (let request = 0; request < 5; request += 1) await ctx.publish();
    await expect.poll(() => received).toBeGreaterThan(15);
    expect(ctx.log.text.match(new RegExp(line, 'g'))).toHaveLength(1);
  });

  it('log: contains no code, verifier or phone number', async () => {
    await using ctx = await startTestIntegration({ provider: { faults: [{ fault: 'error' }, { delayMs: 0 }] } });
    await ctx.publish();
    const [outcome] = await ctx.outcome();
    for (const secret of [(outcome as ReceiveCode).code, '909123456']) expect(ctx.log.text).not.toContain(secret);
  });
});
