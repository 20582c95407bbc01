import type { ReceiveCode } from '@voucher-gateway/schema/topics';
import { describe, expect, it } from 'vitest';
import { startTestIntegration } from './testing/integration.ts';
import { verifierA } from './testing/provider.ts';

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

  it('log: contains no code, verifier or phone number', async () => {
    await using ctx = await startTestIntegration({ provider: { faults: [{ fault: 'error' }, { delayMs: 0 }] } });
    await ctx.publish();
    const [outcome] = await ctx.outcome();
    for (const secret of [(outcome as ReceiveCode).code, '909123456']) expect(ctx.log.text).not.toContain(secret);
  });
});
