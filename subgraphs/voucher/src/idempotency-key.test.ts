import { describe, expect, it } from 'vitest';
import { codesOf, startTestVoucherService } from './testing/voucher-service.ts';

describe('idempotency key', () => {
  it('idempotency key: returns the same request for the same input, also concurrently', async () => {
    await using ctx = await startTestVoucherService();
    const input = { idempotencyKey: 'k', callbackUrl: 'https://example.com' };
    const answers = await Promise.all([
      ctx.request(input),
      ctx.request(input),
      ctx.request({ ...input, phoneNumber: ctx.ann.phoneNumber, callbackUrl: 'https://EXAMPLE.com/' }),
    ]);
    expect(new Set(answers.map(({ data }) => data?.requestVoucher.id)).size).toBe(1);
    expect(await ctx.requests(1)).toHaveLength(1);
  });

  it('idempotency key: rejects another input until it expires, per user', async () => {
    await using ctx = await startTestVoucherService();
    const first = await ctx.request({ idempotencyKey: 'k' });
    expect(codesOf(await ctx.request({ idempotencyKey: 'k', callbackUrl: 'https://example.com' }))).toEqual([
      'IDEMPOTENCY_KEY_REUSED',
    ]);
    const bob = await ctx.issuer.user();
    expect((await ctx.request({ idempotencyKey: 'k' }, bob)).data?.requestVoucher.id).not.toBe(
      first.data?.requestVoucher.id,
    );
    ctx.clock.jump(86_400_000);
    const later = await ctx.issuer.user({ ...ctx.ann, now: ctx.clock.now() });
    const again = await ctx.request({ idempotencyKey: 'k', callbackUrl: 'https://example.com' }, later);
    expect(again.data?.requestVoucher.id).not.toBe(first.data?.requestVoucher.id);
  });

  it('idempotency key: returns its request until it expires, then is deleted', async () => {
    await using ctx = await startTestVoucherService({ settings: { IDEMPOTENCY_KEY_RETENTION: '30m' } });
    const request = async () => (await ctx.request({ idempotencyKey: 'k' })).data?.requestVoucher.id;
    const first = await request();
    ctx.clock.advance(1_799_999);
    expect(await request()).toBe(first);
    expect(await ctx.rows('voucher.idempotency_key')).toHaveLength(1);
    // An expired key is kept for 5 minutes, for a retry that started before the expiry.
    ctx.clock.advance(300_001);
    await expect
      .poll(() => {
        ctx.clock.advance(600_000);
        return ctx.rows('voucher.idempotency_key');
      })
      .toEqual([]);
    expect(await ctx.rows('voucher.voucher_request')).toHaveLength(1);
  });
});
