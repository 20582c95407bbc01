import type { ServerResponse } from 'node:http';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { openDeliveryHarness } from '../testing/delivery-harness.ts';

const quick = { CALLBACK_RETRY_SCHEDULE: '20ms,20ms,20ms' };
const refuse =
  (status: number, headers = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(status, headers).end();

describe('retry', () => {
  it('retry: has the same id and body, and a new timestamp and signature', async () => {
    const clock = createTestClock(Math.floor(Date.now() / 1_000) * 1_000);
    await using harness = await openDeliveryHarness({ environment: quick, clock });
    await using receiver = await startReceiver();
    receiver.answer = (response) => {
      // The clock advances, so that the next attempt has a later timestamp.
      clock.advance(2_000);
      receiver.answer = refuse(200);
      refuse(500)(response);
    };
    const request = await harness.request({ callbackUrl: receiver.url });
    await harness.receive(request);
    const first = await receiver.next();
    await expect.poll(async () => (await harness.deliveries(request))[0]?.attempts.length).toBe(1);
    // Now the retry is due.
    clock.advance(100);
    const second = await receiver.next();
    expect(second.body).toBe(first.body);
    expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
    expect(Number(second.headers['webhook-timestamp']) - Number(first.headers['webhook-timestamp'])).toBe(2);
    const webhook = new Webhook(await harness.secret(request.userId));
    for (const { body, headers } of [first, second]) webhook.verify(body, headers as Record<string, string>);
    await expect
      .poll(() => harness.deliveries(request))
      .toMatchObject([
        {
          status: 'DELIVERED',
          nextAttemptAt: null,
          attempts: [
            { status: 500, error: 'HTTP_ERROR' },
            { status: 200, error: null },
          ],
        },
      ]);
  });

  it('retry: delivers once a receiver that was down is up', async () => {
    await using harness = await openDeliveryHarness({
      // There are enough retries even if a slow machine takes long to open the port again.
      environment: { CALLBACK_RETRY_SCHEDULE: Array(100).fill('20ms').join() },
    });
    const down = await startReceiver();
    await down[Symbol.asyncDispose]();
    const request = await harness.request({ callbackUrl: down.url });
    await harness.receive(request);
    await expect
      .poll(async () => (await harness.deliveries(request))[0]?.attempts[0])
      .toMatchObject({
        status: null,
        error: 'CONNECTION_REFUSED',
      });
    await using up = await startReceiver({ port: Number(new URL(down.url).port) });
    await up.next();
    await expect.poll(async () => (await harness.deliveries(request))[0]?.status).toBe('DELIVERED');
  });

  it('delivery: fails after the last retry, and at once after 410 Gone', async () => {
    await using harness = await openDeliveryHarness({ environment: { CALLBACK_RETRY_SCHEDULE: '10ms,10ms' } });
    await using receiver = await startReceiver();
    receiver.answer = refuse(503);
    const request = await harness.request({ callbackUrl: receiver.url });
    await harness.receive(request);
    await expect.poll(async () => (await harness.deliveries(request))[0]?.status).toBe('FAILED');
    expect((await harness.deliveries(request))[0]).toMatchObject({ nextAttemptAt: null, attempts: [{}, {}, {}] });
    await using gone = await startReceiver();
    gone.answer = refuse(410);
    const other = await harness.request({ callbackUrl: gone.url });
    await harness.receive(other);
    await expect
      .poll(() => harness.deliveries(other))
      .toMatchObject([{ status: 'FAILED', nextAttemptAt: null, attempts: [{ status: 410, error: 'HTTP_ERROR' }] }]);
    expect(gone.calls).toHaveLength(1);
  });

  it('retry: follows the schedule or Retry-After, whichever is later', async () => {
    const clock = createTestClock(Date.parse('2026-01-31T12:00:00Z'));
    await using harness = await openDeliveryHarness({ clock });
    await using receiver = await startReceiver();
    for (const [headers, atLeast, atMost] of [
      [{}, 4_000, 6_000],
      [{ 'retry-after': '100' }, 100_000, 120_000],
      [{ 'retry-after': '1' }, 4_000, 6_000],
    ] as const) {
      receiver.answer = refuse(429, headers);
      const request = await harness.request({ callbackUrl: receiver.url });
      await harness.receive(request);
      await expect.poll(async () => (await harness.deliveries(request))[0]?.attempts.length).toBe(1);
      const waitMs = Date.parse((await harness.deliveries(request))[0]?.nextAttemptAt ?? '') - clock.now();
      expect(waitMs).toBeGreaterThanOrEqual(atLeast);
      expect(waitMs).toBeLessThanOrEqual(atMost);
    }
  });

  it('delivery: fails with ADDRESS_REFUSED for loopback in production', async () => {
    await using harness = await openDeliveryHarness({ environment: { NODE_ENV: 'production', SMS: 'off' } });
    await using receiver = await startReceiver();
    const request = await harness.request({ callbackUrl: receiver.url });
    await harness.receive(request);
    await expect
      .poll(() => harness.deliveries(request))
      .toMatchObject([{ status: 'FAILED', attempts: [{ status: null, error: 'ADDRESS_REFUSED' }] }]);
    expect(receiver.calls).toEqual([]);
  });
});
