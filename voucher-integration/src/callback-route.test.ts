import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { startTestIntegration } from './testing/integration.ts';
import { acknowledgementOf, startProvider, verifierA, verifierB } from './testing/provider.ts';

describe('callback', () => {
  it('callback: gets the response of the protocol for each case', async () => {
    await using provider = await startProvider(() => acknowledgementOf(verifierA));
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
    const { requestId } = await ctx.publish();
    await ctx.acknowledged(requestId);
    expect(await ctx.callback(randomUUID(), { codeVerifier: verifierA })).toMatchObject({
      status: 404,
      code: 'NOT_FOUND',
    });
    expect(await ctx.callback('nonsense', { codeVerifier: verifierA })).toMatchObject({ status: 404 });
    const before = await ctx.row(requestId);
    expect(await ctx.callback(requestId, { codeVerifier: verifierB })).toMatchObject({
      status: 403,
      code: 'FORBIDDEN',
    });
    expect(await ctx.row(requestId)).toEqual(before);
    expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
    expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
    expect(await ctx.callback(requestId, { codeVerifier: verifierA, voucherCode: 'CODE-2' })).toMatchObject({
      status: 409,
      code: 'VOUCHER_CODE_CONFLICT',
    });
    expect(await ctx.callback(requestId, { codeVerifier: verifierB, voucherCode: 'CODE-1' })).toMatchObject({
      status: 403,
    });
    expect(await ctx.outcome()).toMatchObject([{ code: 'CODE-1' }]);
  });

  it('callback: is matched by its challenge, and rejected for another request', async () => {
    const verifiers = new Map<string, string>();
    await using provider = await startProvider((key) => acknowledgementOf(verifiers.get(key) ?? ''));
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
    const [a, b] = [randomUUID(), randomUUID()];
    verifiers.set(a, verifierA).set(b, verifierB);
    await ctx.publish({ requestId: a });
    await ctx.publish({ requestId: b });
    await ctx.acknowledged(a);
    await ctx.acknowledged(b);
    expect(await ctx.callback(a, { codeVerifier: verifierB })).toMatchObject({ status: 403 });
    expect(await ctx.callback(null, { codeVerifier: verifierB, voucherCode: 'CODE-B' })).toMatchObject({ status: 200 });
    expect(await ctx.callback(null, { codeVerifier: 'c'.repeat(43) })).toMatchObject({ status: 404 });
    expect(await ctx.outcome()).toMatchObject([{ requestId: b, code: 'CODE-B' }]);
  });

  it('callback: is rejected if it names no request and several have its challenge', async () => {
    // Regression: the callback settled one of the requests with this challenge, chosen arbitrarily.
    await using provider = await startProvider(() => acknowledgementOf(verifierA));
    await using ctx = await startTestIntegration({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
    const [a, b] = [await ctx.publish(), await ctx.publish()];
    for (const { requestId } of [a, b]) await ctx.acknowledged(requestId);
    const callback = { codeVerifier: verifierA, voucherCode: 'CODE-B' };
    expect(await ctx.callback(null, callback)).toMatchObject({ status: 400 });
    expect(await ctx.callback(b.requestId, callback)).toMatchObject({ status: 200 });
    expect(await ctx.outcome()).toMatchObject([{ requestId: b.requestId, code: 'CODE-B' }]);
  });

  it('callback: is rejected with a stable code if malformed or oversized', async () => {
    await using ctx = await startTestIntegration();
    expect(await ctx.callback(randomUUID(), { codeVerifier: 'short' })).toMatchObject({
      status: 400,
      code: 'BAD_USER_INPUT',
    });
    expect(await ctx.callback(randomUUID(), { codeVerifier: 'x'.repeat(70_000) })).toMatchObject({
      status: 413,
      code: 'REQUEST_TOO_LARGE',
    });
  });
});
