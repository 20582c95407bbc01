import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { askAgain } from './ask-again.ts';
import { startTestIntegration } from './testing/integration.ts';
import { acknowledgementOf, startProvider, verifierA } from './testing/provider.ts';

describe('job that retries a request', () => {
  it('job: is deleted when a late code settles its request', async () => {
    // Regression: 300 late codes left 300 jobs, which slowed down polling until they were due.
    await using ctx = await startTestIntegration({ frozen: true, settings: { VPS_SILENCE_AFTER: '45s' } });
    ctx.vps.next({ delayMs: 10_000 });
    const { requestId } = await ctx.publish();
    await ctx.vps.whenAsked(1);
    ctx.clock.advance(3_000);
    await ctx.acknowledged(requestId);
    expect(await ctx.askAgainJobs()).toBe(1);
    ctx.clock.advance(7_000);
    await ctx.outcome();
    expect(await ctx.askAgainJobs()).toBe(0);
  });

  it('job: is deleted when its request fails', async () => {
    await using ctx = await startTestIntegration({ settings: { GIVE_UP_AFTER: '200ms' } });
    ctx.vps.next({ fault: 'error', times: 1_000 });
    for (let request = 0; request < 3; request += 1) await ctx.publish();
    await ctx.outcome(3);
    await expect.poll(ctx.askAgainJobs).toBe(0);
  });

  it('job: is recreated by a republished message if it was lost', async () => {
    // Regression: pg-boss had deleted the job because it was old. So nothing retried the request.
    let received = 0;
    await using provider = await startProvider(() => {
      received += 1;
      return received === 1
        ? { ...acknowledgementOf(verifierA), message: 'wait' }
        : { status: 'SUCCESS', voucherCode: 'CODE-1', message: 'ready' };
    });
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '10m' } });
    const message = await ctx.publish();
    await ctx.acknowledged(message.requestId);
    expect(await ctx.askAgainJobs()).toBe(1);
    await ctx.engines.database.query.execute(sql`delete from pgboss.job where name = ${askAgain.name}`);
    await ctx.publish(message);
    expect(await ctx.outcome()).toMatchObject([{ requestId: message.requestId, code: 'CODE-1' }]);
  });
});
