import { CodedError } from '@voucher-gateway/platform/errors';
import type { Environment } from '@voucher-gateway/platform/process/config';
import { describe, expect, it } from 'vitest';
import { delivered, failed, type SendResult } from '../../attempt-result.ts';
import { buildRequest, type DeliveryHarnessOptions, openDeliveryHarness } from '../../testing/delivery-harness.ts';
import type { Sms } from './sms.ts';

const hour = 3_600_000;
const onePerNumber = { LIMIT_SMS_PER_NUMBER: '1/1h', LIMIT_SMS_PER_USER: 'off' };
const onePerUser = { LIMIT_SMS_PER_NUMBER: 'off', LIMIT_SMS_PER_USER: '1/1h' };

async function setUp(
  environment: Environment,
  options: Partial<DeliveryHarnessOptions> & { answer?: () => SendResult } = {},
) {
  const { answer = () => delivered(null), ...rest } = options;
  const sent: Sms[] = [];
  const harness = await openDeliveryHarness({
    environment,
    smsSender: {
      async send(sms) {
        sent.push(sms);
        return answer();
      },
    },
    ...rest,
  });
  const user = buildRequest();
  return {
    harness,
    sent,
    user,
    /** Publishes a late code for the user. `values` may set another phone number or user. */
    async late(values: Partial<typeof user> = {}) {
      const { userId, phoneNumber } = user;
      const request = await harness.request({ userId, phoneNumber, ...values });
      await harness.receive(request, { status: 'LATE_SUCCESS' });
      return request;
    },
    redeliver: (deliveryId = '', userId = user.userId) =>
      harness.post('mutation ($id: ID!) { redeliver(deliveryId: $id) { status } }', { id: deliveryId }, userId),
    [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
  };
}

describe('SMS limits', () => {
  it.each([
    ['per phone number', onePerNumber, { userId: buildRequest().userId }],
    ['per user', onePerUser, { phoneNumber: '+84909000002' }],
  ])('SMS beyond the limit %s: waits, and loses no attempts', async (_what, environment, another) => {
    await using ctx = await setUp(environment);
    const first = await ctx.late();
    await expect.poll(() => ctx.harness.deliveries(first)).toMatchObject([{ status: 'DELIVERED' }]);
    const second = await ctx.late(another);
    await expect.poll(() => ctx.harness.log.text).toContain('an attempt was postponed');
    const [waiting] = await ctx.harness.deliveries(second);
    expect(waiting).toMatchObject({ status: 'PENDING', attempts: [] });
    const waitMs = Date.parse(waiting?.nextAttemptAt ?? '') - Date.now();
    expect(waitMs).toBeGreaterThan(hour - 60_000);
    expect(waitMs).toBeLessThan(1.1 * hour + 60_000);
    expect(ctx.sent).toHaveLength(1);
    // Other users are not limited.
    const other = await ctx.late(buildRequest());
    await expect.poll(() => ctx.harness.deliveries(other)).toMatchObject([{ status: 'DELIVERED' }]);
  });

  it('SMS beyond the limit: is sent once the limit allows it', async () => {
    await using ctx = await setUp({ ...onePerNumber, LIMIT_SMS_PER_NUMBER: '1/1s' });
    const requests = [await ctx.late(), await ctx.late(), await ctx.late()];
    for (const request of requests)
      await expect
        .poll(() => ctx.harness.deliveries(request))
        .toMatchObject([{ status: 'DELIVERED', attempts: [{ error: null }] }]);
    expect(ctx.sent).toHaveLength(3);
  });

  it('SMS: a retry does not count, and a redelivery does', async () => {
    let attempts = 0;
    await using ctx = await setUp(
      { ...onePerUser, LIMIT_SMS_PER_USER: '2/1h', CALLBACK_RETRY_SCHEDULE: '10ms,10ms,10ms' },
      {
        answer: () => {
          attempts += 1;
          return attempts < 3 ? failed('SMS_FAILED') : delivered(null);
        },
      },
    );
    const request = await ctx.late();
    await expect.poll(() => ctx.harness.deliveries(request)).toMatchObject([{ status: 'DELIVERED' }]);
    const [delivery] = await ctx.harness.deliveries(request);
    expect(await ctx.redeliver(delivery?.id)).toMatchObject({ data: { redeliver: { status: 'PENDING' } } });
    await expect.poll(() => ctx.sent.length).toBe(4);
    await expect.poll(() => ctx.harness.deliveries(request)).toMatchObject([{ status: 'DELIVERED' }]);
    expect(await ctx.redeliver(delivery?.id)).toMatchObject({
      errors: [{ extensions: { code: 'RATE_LIMITED', retryAfterSeconds: expect.any(Number) } }],
    });
    // The rejected redelivery has changed nothing.
    expect(await ctx.harness.deliveries(request)).toMatchObject([{ status: 'DELIVERED' }]);
    expect(ctx.sent).toHaveLength(4);
  });

  it('SMS: one that was not sent because of the account does not count', async () => {
    let refused = true;
    await using ctx = await setUp(onePerUser, {
      answer: () => (refused ? { outcome: 'postponed', reason: 'SMS_ACCOUNT_REFUSED', delayMs: 10 } : delivered(null)),
    });
    const request = await ctx.late();
    await expect.poll(() => ctx.sent.length).toBeGreaterThan(1);
    refused = false;
    await expect.poll(() => ctx.harness.deliveries(request)).toMatchObject([{ status: 'DELIVERED' }]);
  });

  it('SMS: is sent while the key-value store is away', async () => {
    const away = () => Promise.reject(new CodedError('KEY_VALUE_UNAVAILABLE', 'away', { retryable: true }));
    await using ctx = await setUp(onePerNumber, { keyValue: { get: away, increment: away, peek: away } });
    for (const _turn of [1, 2]) {
      const request = await ctx.late();
      await expect.poll(() => ctx.harness.deliveries(request)).toMatchObject([{ status: 'DELIVERED' }]);
      const [delivery] = await ctx.harness.deliveries(request);
      expect((await ctx.redeliver(delivery?.id)).errors).toBeUndefined();
    }
    await expect.poll(() => ctx.sent.length).toBe(4);
  });

  it('SMS: is not limited with RATE_LIMITS=off', async () => {
    await using ctx = await setUp({ ...onePerNumber, RATE_LIMITS: 'off' });
    for (const _turn of [1, 2, 3]) {
      const request = await ctx.late();
      await expect.poll(() => ctx.harness.deliveries(request)).toMatchObject([{ status: 'DELIVERED' }]);
    }
  });
});
