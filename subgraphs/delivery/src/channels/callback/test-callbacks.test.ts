import { randomUUID } from 'node:crypto';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { callbackBodySchema } from '@voucher-gateway/schema/callback';
import { Webhook } from 'standardwebhooks';
import { afterAll, describe, expect, it } from 'vitest';
import { openDeliveryHarness } from '../../testing/delivery-harness.ts';

const harness = await openDeliveryHarness({ environment: { CALLBACK_TIMEOUT: '300ms', RATE_LIMITS: 'off' } });
afterAll(() => harness[Symbol.asyncDispose]());
const sendTest = (url: string, userId?: string, { post } = harness) =>
  post(
    'mutation ($url: String!) { sendTestCallback(url: $url) { webhookId attempt { at status durationMs error response } } }',
    { url },
    userId,
  );

describe('sendTestCallback', () => {
  it('sendTestCallback: sends a signed event, and returns the response', async () => {
    await using receiver = await startReceiver({ answer: { status: 202, body: 'thanks' } });
    const userId = randomUUID();
    const { data } = await sendTest(receiver.url, userId);
    const { headers, body } = await receiver.next();
    const event = new Webhook(await harness.secret(userId)).verify(body, headers as Record<string, string>);
    expect(callbackBodySchema.parse(event).type).toBe('callback.test');
    expect(data?.sendTestCallback).toEqual({
      webhookId: headers['webhook-id'],
      attempt: {
        at: expect.any(String),
        status: 202,
        durationMs: expect.any(Number),
        error: null,
        response: 'thanks',
      },
    });
  });

  it.each([
    ['an error', { status: 500, body: 'broken' } as const, { status: 500, error: 'HTTP_ERROR', response: 'broken' }],
    ['no response', 'hang' as const, { status: null, error: 'TIMEOUT', response: null }],
  ])('sendTestCallback: returns %s of the receiver, after one attempt', async (_, answer, attempt) => {
    await using receiver = await startReceiver({ answer });
    const { data } = await sendTest(receiver.url, randomUUID());
    expect(data?.sendTestCallback).toMatchObject({ attempt });
    expect(receiver.calls).toHaveLength(1);
  });

  it.each([
    ['http://169.254.169.254/', 'link-local'],
    ['http://redis:6379/', 'private network'],
    ['https://user:secret@example.com/', 'password'],
    ['ftp://example.com/', 'http or https'],
    ['nonsense', 'http or https'],
  ])('sendTestCallback: refuses %s with the reason', async (url, reason) => {
    expect((await sendTest(url, randomUUID())).errors).toMatchObject([
      { message: expect.stringContaining(reason), extensions: { code: 'CALLBACK_URL_REFUSED', argument: 'url' } },
    ]);
  });

  it('sendTestCallback: rejects signed-out users', async () => {
    expect((await sendTest('https://example.com/')).errors).toMatchObject([
      { extensions: { code: 'UNAUTHENTICATED' } },
    ]);
  });

  it('sendTestCallback: is limited per user', async () => {
    await using limited = await openDeliveryHarness({ environment: { LIMIT_TEST_CALLBACKS_PER_USER: '1/1h' } });
    await using receiver = await startReceiver();
    const [one, other] = [randomUUID(), randomUUID()];
    const codes = [];
    for (const userId of [one, one, other])
      codes.push((await sendTest(receiver.url, userId, limited)).errors?.[0]?.extensions?.code);
    expect(codes).toEqual([undefined, 'RATE_LIMITED', undefined]);
    expect(receiver.calls).toHaveLength(2);
  });

  // Regression: seven users whose receivers did not respond prevented all other users from sending test callbacks.
  it('sendTestCallback: a user has four in progress at most, and others theirs', async () => {
    await using held = await openDeliveryHarness({ environment: { RATE_LIMITS: 'off' } });
    await using receiver = await startReceiver({ answer: 'hang' });
    const [one, other] = [randomUUID(), randomUUID()];
    const hanging = Array.from({ length: 4 }, () => sendTest(receiver.url, one, held));
    for (const _ of hanging) await receiver.next();
    expect((await sendTest(receiver.url, one, held)).errors).toMatchObject([
      { extensions: { code: 'RATE_LIMITED', retryable: true } },
    ]);
    receiver.answer = 200;
    expect((await sendTest(receiver.url, other, held)).data?.sendTestCallback).toMatchObject({
      attempt: { status: 200 },
    });
    await held.service[Symbol.asyncDispose]();
    await Promise.all(hanging);
  });

  it('stop: aborts a test callback that is running', async () => {
    await using stopped = await openDeliveryHarness();
    await using receiver = await startReceiver({ answer: 'hang' });
    const answer = sendTest(receiver.url, randomUUID(), stopped);
    await receiver.next();
    await stopped.service[Symbol.asyncDispose]();
    expect((await answer).errors).toMatchObject([{ extensions: { code: 'SERVICE_UNAVAILABLE', retryable: true } }]);
  });
});
