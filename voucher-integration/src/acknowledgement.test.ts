import { describe, expect, it } from 'vitest';
import { startTestIntegration } from './testing/integration.ts';
import { acknowledgementOf, startProvider, verifierA, verifierB } from './testing/provider.ts';

describe('request-acknowledged', () => {
  it('request-acknowledged: is published before the code, with the outcome’s times', async () => {
    await using ctx = await startTestIntegration({ frozen: true });
    ctx.vps.next({ delayMs: 10_000 });
    const { requestId, phoneNumber, userId } = await ctx.publish();
    await ctx.vps.whenAsked(1);
    ctx.clock.advance(3_000);
    const acknowledgement = (await ctx.acknowledgements(1))[0]?.value;
    expect(acknowledgement).toEqual({
      requestId,
      phoneNumber,
      askedAt: expect.any(String),
      acknowledgedAt: expect.any(String),
      owner: { id: userId },
    });
    expect(ctx.outcomes).toEqual([]);
    ctx.clock.advance(7_000);
    const { askedAt, acknowledgedAt } = acknowledgement as { askedAt: string; acknowledgedAt: string };
    expect(await ctx.outcome()).toMatchObject([{ requestId, askedAt, acknowledgedAt }]);
  });

  it('request-acknowledged: is not published for a code within three seconds', async () => {
    const answers: object[] = [{ status: 'SUCCESS', voucherCode: 'CODE-1', message: 'ready' }, acknowledgementOf()];
    await using provider = await startProvider(() => answers.shift() ?? {});
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
    await ctx.publish();
    await ctx.outcome();
    const slow = await ctx.publish();
    expect(await ctx.acknowledgements(1)).toMatchObject([{ value: { requestId: slow.requestId } }]);
  });

  it('request-acknowledged: is not published if a held callback has the code', async () => {
    const called = Promise.withResolvers<void>();
    await using provider = await startProvider(async () => {
      await called.promise;
      return acknowledgementOf(verifierA);
    });
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
    const held = await ctx.publish();
    await expect.poll(() => ctx.row(held.requestId)).toBeDefined();
    expect(await ctx.callback(held.requestId, { codeVerifier: verifierA })).toMatchObject({ status: 202 });
    called.resolve();
    await ctx.outcome();
    const next = await ctx.publish();
    expect(await ctx.acknowledgements(1)).toMatchObject([{ value: { requestId: next.requestId } }]);
  });

  it('request-acknowledged: is published for the first challenge only', async () => {
    let asked = 0;
    await using provider = await startProvider(() => acknowledgementOf([verifierA, verifierB][asked++] ?? verifierB));
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url } });
    const { requestId } = await ctx.publish();
    await expect.poll(async () => ((await ctx.row(requestId))?.challenges as object[]).length).toBe(2);
    expect(await ctx.callback(requestId, { codeVerifier: verifierB })).toMatchObject({ status: 200 });
    await ctx.outcome();
    expect(await ctx.acknowledgements(1)).toHaveLength(1);
  });
});
