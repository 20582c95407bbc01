import { describe, expect, it } from 'vitest';
import { startTestIntegration } from './testing/integration.ts';
import { acknowledgementOf, startHeldProvider, startProvider, verifierA, verifierB } from './testing/provider.ts';

describe('held callback', () => {
  it('callback: is held before the acknowledgement; the sixth gets a retryable error', async () => {
    await using provider = await startHeldProvider();
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
    const { requestId } = await ctx.publish();
    await provider.requested;
    for (let wrong = 0; wrong < 4; wrong += 1) {
      expect(
        await ctx.callback(requestId, { codeVerifier: String(wrong).repeat(43), voucherCode: 'FORGED' }),
      ).toMatchObject({ status: 202 });
    }
    expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 202 });
    expect(await ctx.callback(requestId, { codeVerifier: verifierB })).toMatchObject({
      status: 503,
      code: 'SERVICE_UNAVAILABLE',
    });
    expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 202 });
    expect((await ctx.row(requestId))?.held).toHaveLength(5);
    provider.answer(acknowledgementOf(verifierA));
    expect(await ctx.outcome()).toMatchObject([{ requestId, code: 'CODE-1' }]);
  });

  it('callback: is dropped after the acknowledgement if its verifier is wrong', async () => {
    await using provider = await startHeldProvider();
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
    const { requestId } = await ctx.publish();
    await provider.requested;
    await ctx.callback(requestId, { codeVerifier: verifierB, voucherCode: 'FORGED' });
    provider.answer(acknowledgementOf(verifierA));
    await ctx.acknowledged(requestId);
    expect(await ctx.row(requestId)).toMatchObject({ status: 'WAITING', held: [], code: null });
  });

  it('callback: becomes the unclaimed code if its request fails while it is held', async () => {
    // Regression: the held callback was dropped, although the provider had got a 202 for it and would not send it
    // again.
    const requested = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    await using provider = await startProvider(async () => {
      requested.resolve();
      await held.promise;
      throw Object.assign(new Error('refused'), { statusCode: 422 });
    });
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url } });
    const { requestId } = await ctx.publish();
    await requested.promise;
    expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 202 });
    held.resolve();
    expect(await ctx.outcome()).toMatchObject([{ requestId, reason: 'PROVIDER_REFUSED' }]);
    expect(await ctx.row(requestId)).toMatchObject({ held: [], unclaimed_code: 'CODE-1' });
    expect(ctx.service.unclaimed).toBe(1);
    expect(ctx.alarms).toMatchObject([{ requestId }]);
  });
});
