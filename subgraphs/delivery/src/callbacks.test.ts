import { CodedError } from '@voucher-gateway/platform/errors';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { callbackUrlKey } from '@voucher-gateway/schema/callback-url';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { Webhook } from 'standardwebhooks';
import { afterAll, describe, expect, it } from 'vitest';
import { buildRequest, openDeliveryHarness } from './testing/delivery-harness.ts';

const harness = await openDeliveryHarness();
afterAll(() => harness[Symbol.asyncDispose]());
const statuses = async (request: { requestId: string; userId: string }) =>
  (await harness.deliveries(request)).map(({ channel, status }) => `${channel} ${status}`);

describe('callback', () => {
  it('callback: sends a code, signed by Standard Webhooks', async () => {
    await using receiver = await startReceiver({ answer: 204 });
    const request = await harness.request({ callbackUrl: receiver.url });
    const code = await harness.receive(request);
    const { headers, body } = await receiver.next();
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'voucher-gateway' });
    const verified = new Webhook(await harness.secret(request.userId)).verify(body, headers as Record<string, string>);
    expect(verified).toEqual({
      type: 'voucher.received',
      timestamp: code.receivedAt,
      data: {
        requestId: request.requestId,
        voucherId: code.id,
        code: code.code,
        status: 'SUCCESS',
        phoneNumber: request.phoneNumber,
        requestedAt: request.requestedAt,
        receivedAt: code.receivedAt,
      },
    });
    await expect
      .poll(() => harness.deliveries(request))
      .toEqual([
        {
          id: headers['webhook-id'],
          channel: 'CALLBACK',
          status: 'DELIVERED',
          url: receiver.url,
          nextAttemptAt: null,
          attempts: [
            { at: expect.any(String), status: 204, durationMs: expect.any(Number), error: null, response: null },
          ],
        },
      ]);
  });

  it('callback: sends a failure', async () => {
    await using receiver = await startReceiver();
    const request = await harness.request({ callbackUrl: receiver.url });
    const { requestId, phoneNumber, reason, message, failedAt } = await harness.fail(request);
    const { body, headers } = await receiver.next();
    expect(new Webhook(await harness.secret(request.userId)).verify(body, headers as Record<string, string>)).toEqual({
      type: 'voucher.failed',
      timestamp: failedAt,
      data: { requestId, phoneNumber, reason, message, failedAt },
    });
  });

  it('callback: is sent once for a duplicate message', async () => {
    await using receiver = await startReceiver();
    const request = await harness.request({ callbackUrl: receiver.url });
    const code = await harness.receive(request);
    await harness.publish(schemaTopics.requestCode, request);
    await harness.publish(schemaTopics.receiveCode, code);
    await receiver.next();
    // This message has the same key as the duplicate. So this message is handled after the duplicate.
    const marker = await harness.request({ callbackUrl: receiver.url, phoneNumber: request.phoneNumber });
    await harness.receive(marker);
    await receiver.next();
    expect(receiver.calls.filter(({ body }) => body.includes(request.requestId))).toHaveLength(1);
    await expect.poll(() => statuses(request)).toEqual(['CALLBACK DELIVERED']);
  });

  it('callback: goes to the URL of its own request', async () => {
    await using first = await startReceiver();
    await using second = await startReceiver();
    const phone = { phoneNumber: '+84909777777', userId: buildRequest().userId };
    const [one, two] = await Promise.all([
      harness.request({ ...phone, callbackUrl: first.url }),
      harness.request({ ...phone, callbackUrl: second.url }),
    ]);
    const [codeOne, codeTwo] = await Promise.all([harness.receive(one), harness.receive(two)]);
    expect(JSON.parse((await first.next()).body).data).toMatchObject({ requestId: one.requestId, code: codeOne.code });
    expect(JSON.parse((await second.next()).body).data).toMatchObject({ requestId: two.requestId, code: codeTwo.code });
    await expect
      .poll(async () => [await statuses(one), await statuses(two)])
      .toEqual([['CALLBACK DELIVERED'], ['CALLBACK DELIVERED']]);
    expect([first.calls.length, second.calls.length]).toEqual([1, 1]);
  });

  it('callbackUrl: is read from the key-value store first', async () => {
    await using receiver = await startReceiver();
    const request = buildRequest({ callbackUrl: receiver.url });
    await harness.engines.keyValue.set(
      callbackUrlKey(request.requestId),
      JSON.stringify({ callbackUrl: receiver.url }),
      {
        ttlMs: 60_000,
      },
    );
    await harness.receive(request);
    expect((await receiver.next()).body).toContain(request.requestId);
  });

  it.each([
    ['was emptied', async () => null],
    ['has an invalid value', async () => '{"callbackUrl":'],
    [
      'is unavailable',
      () =>
        Promise.reject(
          new CodedError('KEY_VALUE_UNAVAILABLE', 'The key-value store does not answer.', { retryable: true }),
        ),
    ],
  ])('callbackUrl: is read from the database if the store %s', async (_what, get) => {
    await using other = await openDeliveryHarness({ keyValue: { get } });
    await using receiver = await startReceiver();
    await other.receive(await other.request({ callbackUrl: receiver.url }));
    await receiver.next();
  });
});
