import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { startTestIntegration } from './testing/integration.ts';
import { acknowledgementOf, startProvider, verifierA } from './testing/provider.ts';

describe('outcome', () => {
  it('code: is published if it arrives within three seconds', async () => {
    await using ctx = await startTestIntegration();
    const { requestId, userId, requestedAt } = await ctx.publish();
    expect(await ctx.outcome()).toEqual([
      {
        id: expect.any(String),
        requestId,
        code: expect.stringMatching(/^VC-/),
        phoneNumber: '+84909123456',
        status: 'SUCCESS',
        requestedAt,
        receivedAt: expect.any(String),
        askedAt: expect.any(String),
        owner: { id: userId },
      },
    ]);
    expect(ctx.vps.requests).toMatchObject([{ key: requestId }]);
  });

  it('code: is published if it arrives by a verified callback', async () => {
    await using ctx = await startTestIntegration({ frozen: true });
    ctx.vps.next({ delayMs: 10_000 });
    const { requestId } = await ctx.publish();
    await ctx.vps.whenAsked(1);
    ctx.clock.advance(3_000);
    await ctx.acknowledged(requestId);
    ctx.clock.advance(7_000);
    const askedAt = Date.parse((await ctx.outcome())[0]?.askedAt ?? '');
    expect(await ctx.outcome()).toMatchObject([
      { requestId, status: 'SUCCESS', acknowledgedAt: new Date(askedAt + 3_000).toISOString() },
    ]);
  });

  it('code: is late by our clock, even if the provider does not report it as late', async () => {
    await using ctx = await startTestIntegration({ frozen: true });
    ctx.vps.next({ delayMs: 0 });
    await ctx.publish({ requestedAt: new Date(ctx.clock.now() - 30_001).toISOString() });
    await ctx.vps.whenAsked(1);
    ctx.clock.advance(0);
    expect(await ctx.outcome()).toMatchObject([{ status: 'LATE_SUCCESS' }]);
  });

  it('code: is late if the provider reports it as late, even if our clock disagrees', async () => {
    await using provider = await startProvider(() => acknowledgementOf(verifierA));
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
    const { requestId } = await ctx.publish();
    await ctx.acknowledged(requestId);
    expect(await ctx.callback(requestId, { codeVerifier: verifierA, status: 'LATE_SUCCESS' })).toMatchObject({
      status: 200,
    });
    expect(await ctx.outcome()).toMatchObject([{ status: 'LATE_SUCCESS' }]);
  });

  it.each(['callback-before-acknowledgement', 'duplicate-callback'] as const)(
    'outcome: is published once despite the fault %s',
    async (fault) => {
      await using ctx = await startTestIntegration({ provider: { faults: [{ fault }] } });
      const { requestId } = await ctx.publish();
      expect(await ctx.outcome()).toMatchObject([{ requestId, status: 'SUCCESS' }]);
    },
  );

  it('outcome: is published once for concurrent callbacks', async () => {
    await using provider = await startProvider(() => acknowledgementOf(verifierA));
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
    const { requestId } = await ctx.publish();
    await ctx.acknowledged(requestId);
    const answers = await Promise.all([1, 2, 3].map(() => ctx.callback(requestId, { codeVerifier: verifierA })));
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
    await ctx.publish({ requestId: randomUUID() });
    expect((await ctx.outcome()).filter((outcome) => outcome.requestId === requestId)).toHaveLength(1);
  });

  it('outcome: is published again with the same bytes for a duplicate request', async () => {
    await using ctx = await startTestIntegration();
    const message = await ctx.publish();
    const [first] = await ctx.outcome();
    await ctx.publish(message);
    const [, second] = await ctx.outcome(2);
    expect(JSON.stringify(second)).toBe(JSON.stringify(first));
    expect(ctx.vps.requests).toHaveLength(1);
  });
});
