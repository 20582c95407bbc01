import { hostileUrls } from '@voucher-gateway/platform/testing/hostile/hostile-urls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestVoucherService } from './testing/voucher-service.ts';

let ctx: Awaited<ReturnType<typeof startTestVoucherService>>;
beforeAll(async () => {
  ctx = await startTestVoucherService({ settings: { NODE_ENV: 'production', RATE_LIMITS: 'off' } });
});
afterAll(() => ctx[Symbol.asyncDispose]());

it.each(hostileUrls.map(({ url, reason }) => [url, reason]))(
  'requestVoucher: refuses %s, because of: %s',
  async (callbackUrl, reason) => {
    expect((await ctx.request({ callbackUrl })).errors).toMatchObject([
      {
        message: expect.stringContaining(reason),
        extensions: { code: 'CALLBACK_URL_REFUSED', argument: 'input.callbackUrl' },
      },
    ]);
    expect(await ctx.rows('voucher_request')).toEqual([]);
  },
);
