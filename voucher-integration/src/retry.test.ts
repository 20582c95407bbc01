import { describe, expect, it } from 'vitest';
import { startTestIntegration } from './testing/integration.ts';
import { acknowledgementOf, startProvider, verifierA } from './testing/provider.ts';

describe('retry', () => {
  it.each(['error', 'drop', 'malformed', 'plain'] as const)(
    'retry: has the same key after the fault %s',
    async (fault) => {
      await using ctx = await startTestIntegration({ provider: { faults: [{ fault }, { delayMs: 0 }] } });
      const { requestId } = await ctx.publish();
      expect(await ctx.outcome()).toMatchObject([{ requestId, status: 'SUCCESS' }]);
      expect(ctx.vps.requests.map((request) => request.key)).toEqual([requestId, requestId]);
    },
  );

  it('retry: follows a request that timed out', async () => {
    await using ctx = await startTestIntegration({
      settings: { VPS_TIMEOUT: '50ms' },
      provider: { faults: [{ fault: 'hang' }, { delayMs: 0 }] },
    });
    await ctx.publish();
    expect(await ctx.outcome()).toMatchObject([{ status: 'SUCCESS' }]);
  });

  it.each([401, 403, 404, 405, 407, 415, 421])(
    'retry: follows the status %i, with a log line at level error',
    async (statusCode) => {
      // Regression: with an expired credential, every request became FAILED.
      let received = 0;
      await using provider = await startProvider(() => {
        received += 1;
        if (received === 1) throw Object.assign(new Error('refused'), { statusCode });
        return { status: 'SUCCESS', voucherCode: 'CODE-1' };
      });
      await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url } });
      await ctx.publish();
      expect(await ctx.outcome()).toMatchObject([{ code: 'CODE-1' }]);
      expect(ctx.alarms).toMatchObject([{ failure: `HTTP_${statusCode}` }]);
    },
  );

  it('retry: follows a refusal after an acknowledgement', async () => {
    // The provider has acknowledged the request, and may have sold a code. If the request became FAILED, the code would
    // be lost.
    const answers = [acknowledgementOf(verifierA), null];
    await using provider = await startProvider(() => {
      const answer = answers.shift();
      if (answer === null) throw Object.assign(new Error('refused'), { statusCode: 422 });
      return answer ?? { status: 'SUCCESS', voucherCode: 'CODE-1' };
    });
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url } });
    await ctx.publish();
    expect(await ctx.outcome()).toMatchObject([{ code: 'CODE-1' }]);
    expect(ctx.alarms).toMatchObject([{ failure: 'HTTP_422' }]);
  });

  it.each([
    ['empty', ''],
    ['with a line break', 'CODE\n1'],
    ['beyond ASCII', 'CODE-€'],
    ['too long', 'C'.repeat(257)],
  ])('retry: follows an answer whose code is %s', async (_what, voucherCode) => {
    const codes = [voucherCode, 'CODE-1'];
    await using provider = await startProvider(() => ({ status: 'SUCCESS', voucherCode: codes.shift() }));
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url } });
    const { requestId } = await ctx.publish();
    expect(await ctx.outcome()).toMatchObject([{ code: 'CODE-1' }]);
    expect(await ctx.callback(requestId, { codeVerifier: verifierA, voucherCode })).toMatchObject({ status: 400 });
  });

  it('restart: sends an unanswered request again with the same key', async () => {
    const requested = Promise.withResolvers<void>();
    const keys: string[] = [];
    await using provider = await startProvider((key) => {
      keys.push(key);
      requested.resolve();
      return keys.length === 1 ? new Promise(() => {}) : { status: 'SUCCESS', voucherCode: 'CODE-1' };
    });
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url } });
    const { requestId } = await ctx.publish();
    await requested.promise;
    await ctx.restart();
    expect(await ctx.outcome()).toMatchObject([{ requestId, code: 'CODE-1' }]);
    expect(keys).toEqual([requestId, requestId]);
  });
});
