import { sendRaw } from '@voucher-gateway/platform/testing/hostile/raw-http';
import { startIssuer } from '@voucher-gateway/platform/testing/tokens';
import { callbackUrlKey } from '@voucher-gateway/schema/callback-url';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { codesOf, listVouchers, startTestVoucherService } from './testing/voucher-service.ts';

describe('requestVoucher', () => {
  it('requestVoucher: stores the row, the message and the callbackUrl', async () => {
    await using ctx = await startTestVoucherService();
    const { data } = await ctx.request({ callbackUrl: 'https://example.com/hook?x=1#part' });
    const at = new Date(ctx.clock.now());
    expect(data?.requestVoucher).toEqual({
      id: expect.any(String),
      status: 'PENDING',
      message: 'Your request is being processed within 30 seconds',
      phoneNumber: ctx.ann.phoneNumber,
      requestedAt: at.toISOString(),
      expectedBy: new Date(at.getTime() + 30_000).toISOString(),
      cursor: encodeCursor(null),
      failureReason: null,
      voucher: null,
    });
    const { id } = data?.requestVoucher as { id: string };
    const [message] = await ctx.requests(1);
    expect(message).toMatchObject({
      key: id,
      value: {
        requestId: id,
        userId: ctx.ann.userId,
        phoneNumber: ctx.ann.phoneNumber,
        callbackUrl: 'https://example.com/hook?x=1',
      },
    });
    await expect
      .poll(() => ctx.engines.keyValue.get(callbackUrlKey(id)))
      .toBe(JSON.stringify({ callbackUrl: 'https://example.com/hook?x=1' }));
  });

  it("requestVoucher: accepts the user's own phone number in any form, and no other", async () => {
    await using ctx = await startTestVoucherService();
    const local = `0${ctx.ann.phoneNumber.slice(3)}`;
    expect((await ctx.request({ phoneNumber: local })).errors).toBeUndefined();
    expect(codesOf(await ctx.request({ phoneNumber: '0909123456' }))).toEqual(['FORBIDDEN']);
    expect(codesOf(await ctx.request({ phoneNumber: 'hello' }))).toEqual(['PHONE_NUMBER_INVALID']);
    expect(codesOf(await ctx.post(listVouchers, { phoneNumber: '0909123456' }))).toEqual(['FORBIDDEN']);
  });

  it.each([
    ['a callbackUrl that is not a URL', { callbackUrl: 'nonsense' }, 'CALLBACK_URL_REFUSED'],
    ['an empty callbackUrl', { callbackUrl: '' }, 'CALLBACK_URL_REFUSED'],
    ['a callbackUrl that is not http', { callbackUrl: 'ftp://example.com/' }, 'CALLBACK_URL_REFUSED'],
    ['a callbackUrl with a password', { callbackUrl: 'https://user:secret@example.com/' }, 'CALLBACK_URL_REFUSED'],
    [
      'a callbackUrl that is too long',
      { callbackUrl: `https://example.com/${'x'.repeat(2_048)}` },
      'CALLBACK_URL_REFUSED',
    ],
    ['a callbackUrl of an internal address', { callbackUrl: 'http://169.254.169.254/' }, 'CALLBACK_URL_REFUSED'],
    ['a callbackUrl of an internal name', { callbackUrl: 'http://redis:6379/' }, 'CALLBACK_URL_REFUSED'],
    ['a callbackUrl of another port', { callbackUrl: 'https://example.com:22/' }, 'CALLBACK_URL_REFUSED'],
    ['an empty idempotencyKey', { idempotencyKey: '' }, 'BAD_USER_INPUT'],
    ['an idempotencyKey that is too long', { idempotencyKey: 'x'.repeat(256) }, 'BAD_USER_INPUT'],
  ])('requestVoucher: rejects %s and stores nothing', async (_what, input, code) => {
    await using ctx = await startTestVoucherService();
    expect(codesOf(await ctx.request(input))).toEqual([code]);
    expect(await ctx.rows('voucher_request')).toEqual([]);
    expect(await ctx.rows('platform.topic_message')).toEqual([]);
  });

  it('requestVoucher: says why a callbackUrl is refused', async () => {
    await using ctx = await startTestVoucherService({ settings: { NODE_ENV: 'production' } });
    const { errors } = await ctx.request({ callbackUrl: 'http://127.0.0.1:9000/hook' });
    expect(errors).toMatchObject([
      {
        message: 'The callbackUrl is refused. 127.0.0.1 is a loopback address: the machine that calls, not yours.',
        extensions: { code: 'CALLBACK_URL_REFUSED', argument: 'input.callbackUrl' },
      },
    ]);
  });

  // Regression: under overload, the service stored requests whose clients had already disconnected. The other clients
  // had to wait so long that they disconnected, too.
  it('requestVoucher: drops the waiting requests of clients that have left', async () => {
    await using ctx = await startTestVoucherService();
    const body = JSON.stringify({ query: 'mutation { requestVoucher(input: {}) { id } }' });
    const head = `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer ${ctx.ann.token}`;
    // The embedded database runs one transaction at a time. So no request is stored before this transaction ends.
    await ctx.engines.database.transaction(async () => {
      const leave = () => sendRaw(ctx.url, `${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      await Promise.all(Array.from({ length: 10 }, leave));
    });
    const { data } = await ctx.request();
    const stored = (await ctx.rows('voucher.voucher_request')).map(({ id }) => id);
    expect(stored).toContain(data?.requestVoucher.id);
    // Up to two of the ten requests were already in a running batch when their clients disconnected. Such a request is
    // stored.
    expect(stored.length).toBeLessThanOrEqual(3);
  });

  it('requestVoucher: accepts while the key-value store is unavailable', async () => {
    await using ctx = await startTestVoucherService({ keyValue: { set: () => Promise.reject(new Error('away')) } });
    expect((await ctx.request({ callbackUrl: 'https://example.com' })).errors).toBeUndefined();
  });

  // Regression: while Redis was full, each request logged a line.
  it('requestVoucher: logs one line for many callbackUrls that are not cached', async () => {
    await using ctx = await startTestVoucherService({ keyValue: { set: () => Promise.reject(new Error('full')) } });
    await Promise.all(Array.from({ length: 10 }, () => ctx.request({ callbackUrl: 'https://example.com' })));
    expect(ctx.log.text.match(/could not be cached/g)).toHaveLength(1);
  });

  it('operations: reject signed-out users and forged tokens', async () => {
    await using ctx = await startTestVoucherService();
    for (const query of [
      '{ purchasedVouchers { nodes { id } } }',
      '{ voucherRequest(id: "x") { id } }',
      'mutation { requestVoucher(input: {}) { id } }',
    ]) {
      expect(codesOf(await ctx.post(query, {}, null))).toEqual(['UNAUTHENTICATED']);
    }
    await using other = await startIssuer();
    expect(codesOf(await ctx.request({}, await other.user()))).toEqual(['UNAUTHENTICATED']);
  });

  it('log: contains no code, phone number or callbackUrl', async () => {
    await using ctx = await startTestVoucherService();
    await ctx.request({ callbackUrl: 'https://example.com/secret-hook' });
    const [code] = await ctx.receive({});
    for (const secret of [code?.code ?? '', ctx.ann.phoneNumber, 'secret-hook'])
      expect(ctx.log.text).not.toContain(secret);
  });
});
