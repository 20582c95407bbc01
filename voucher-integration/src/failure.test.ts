import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { startTestIntegration } from './testing/integration.ts';
import { acknowledgementOf, startHeldProvider, startProvider, verifierA, verifierB } from './testing/provider.ts';

describe('failed request', () => {
  it('request: fails at once if the provider refuses it', async () => {
    await using ctx = await startTestIntegration({ provider: { faults: [{ fault: 'refuse' }] } });
    const { requestId, userId } = await ctx.publish();
    expect(await ctx.outcome()).toMatchObject([
      { requestId, reason: 'PROVIDER_REFUSED', message: expect.any(String), owner: { id: userId } },
    ]);
  });

  it('request: that is refused at once says when the provider was asked', async () => {
    // Regression: the steps of a request that was refused at once had no PROVIDER_ASKED.
    await using ctx = await startTestIntegration({ frozen: true, provider: { faults: [{ fault: 'refuse' }] } });
    const askedAt = new Date(ctx.clock.now()).toISOString();
    await ctx.publish();
    expect(await ctx.outcome()).toMatchObject([{ reason: 'PROVIDER_REFUSED', askedAt, failedAt: askedAt }]);
  });

  it('request: fails as PROVIDER_UNAVAILABLE after GIVE_UP_AFTER', async () => {
    await using ctx = await startTestIntegration({
      settings: { GIVE_UP_AFTER: '300ms' },
      provider: { faults: [{ fault: 'error', times: 1_000 }] },
    });
    await ctx.publish();
    expect(await ctx.outcome()).toMatchObject([{ reason: 'PROVIDER_UNAVAILABLE' }]);
    expect(ctx.vps.requests.length).toBeGreaterThan(1);
  });

  it('request: fails as PROVIDER_SILENT after a last retry; a later code is unclaimed', async () => {
    let received = 0;
    await using provider = await startProvider(() => {
      received += 1;
      return acknowledgementOf(verifierA);
    });
    await using ctx = await startTestIntegration({
      settings: { VPS_URL: provider.url, GIVE_UP_AFTER: '1m' },
    });
    const { requestId } = await ctx.publish({ requestedAt: new Date(Date.now() - 3_600_000).toISOString() });
    expect(await ctx.outcome()).toMatchObject([{ requestId, reason: 'PROVIDER_SILENT' }]);
    expect(received).toBe(2);
    expect(await ctx.callback(requestId, { codeVerifier: verifierB })).toMatchObject({ status: 403 });
    expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
    expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
    expect(ctx.service.unclaimed).toBe(1);
    expect(await ctx.row(requestId)).toMatchObject({ status: 'FAILED', unclaimed_code: 'CODE-1' });
    expect(ctx.outcomes).toHaveLength(1);
  });

  it('request: waits for its code after a first acknowledgement at the deadline', async () => {
    await using provider = await startProvider(() => acknowledgementOf(verifierA));
    await using ctx = await startTestIntegration({
      settings: { VPS_URL: provider.url, GIVE_UP_AFTER: '1m', VPS_SILENCE_AFTER: '1h' },
    });
    const { requestId } = await ctx.publish({ requestedAt: new Date(Date.now() - 3_600_000).toISOString() });
    await ctx.acknowledged(requestId);
    expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
    expect(await ctx.outcome()).toMatchObject([{ requestId, code: 'CODE-1', status: 'LATE_SUCCESS' }]);
  });

  it('unclaimed code: is kept for a request that failed without an acknowledgement', async () => {
    await using ctx = await startTestIntegration({ provider: { faults: [{ fault: 'refuse' }] } });
    const { requestId } = await ctx.publish();
    await ctx.outcome();
    expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
    // Only the first code is kept. A 200 would tell the provider that the second code is kept, too.
    expect(await ctx.callback(requestId, { codeVerifier: verifierB, voucherCode: 'CODE-2' })).toMatchObject({
      status: 409,
    });
    expect(ctx.service.unclaimed).toBe(1);
    expect(await ctx.row(requestId)).toMatchObject({ status: 'FAILED', unclaimed_code: 'CODE-1' });
    expect(ctx.outcomes).toHaveLength(1);
  });

  it('unclaimed code: is kept if its request has failed before the response', async () => {
    // Regression: while this process was frozen, another process changed the request to FAILED. Then the bought code
    // was lost.
    await using provider = await startHeldProvider();
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url } });
    const { requestId } = await ctx.publish();
    await provider.requested;
    await ctx.engines.database.query.execute(sql`
      update provider_request set status = 'FAILED', failure_reason = 'PROVIDER_SILENT', failed_at = now()
      where request_id = ${requestId}`);
    provider.answer({ status: 'SUCCESS', voucherCode: 'CODE-1', message: 'ready' });
    await expect.poll(() => ctx.row(requestId)).toMatchObject({ status: 'FAILED', unclaimed_code: 'CODE-1' });
    expect(ctx.service.unclaimed).toBe(1);
    expect(ctx.alarms).toMatchObject([{ requestId }]);
    expect(ctx.outcomes).toEqual([]);
  });
});
