import type { Environment } from '@voucher-gateway/platform/process/config';
import { describe, expect, it } from 'vitest';
import { type DeliveryHarnessOptions, openDeliveryHarness } from '../../testing/delivery-harness.ts';
import { startTwilioServer, type TwilioServer } from '../../testing/twilio-server.ts';

const settingsOf = (twilio: TwilioServer): Environment => ({
  SMS: 'twilio',
  TWILIO_URL: twilio.url,
  TWILIO_ACCOUNT_SID: twilio.accountSid,
  TWILIO_AUTH_TOKEN: twilio.authToken,
  TWILIO_FROM: '+15005550006',
});

/** Opens the service, and publishes a late code. */
async function sendLate(options: DeliveryHarnessOptions = {}) {
  const harness = await openDeliveryHarness(options);
  const request = await harness.request();
  const { code } = await harness.receive(request, { status: 'LATE_SUCCESS' });
  return {
    harness,
    request,
    code,
    deliveries: () => harness.deliveries(request),
    [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
  };
}

describe('late code', () => {
  it('SMS: is recorded as SIMULATED in development', async () => {
    await using late = await sendLate();
    await expect
      .poll(late.deliveries)
      .toMatchObject([{ channel: 'SMS', status: 'SIMULATED', nextAttemptAt: null, attempts: [{ error: null }] }]);
  });

  it('SMS: fails at once with SMS=off in production', async () => {
    await using late = await sendLate({
      environment: { NODE_ENV: 'production', SMS: 'off', LIMIT_SMS_PER_USER: '1/1h' },
    });
    const failed = [{ channel: 'SMS', status: 'FAILED', attempts: [{ error: 'SMS_NOT_CONFIGURED', response: null }] }];
    await expect.poll(late.deliveries).toMatchObject(failed);
    // The limits do not apply, because nothing is sent.
    const next = await late.harness.request(late.request.userId ? { userId: late.request.userId } : {});
    await late.harness.receive(next, { status: 'LATE_SUCCESS' });
    await expect.poll(() => late.harness.deliveries(next)).toMatchObject(failed);
  });

  it('SMS: is sent by Twilio, and delivered once it is accepted', async () => {
    await using twilio = await startTwilioServer();
    await using late = await sendLate({ environment: settingsOf(twilio) });
    const { form } = await twilio.next();
    expect(form).toEqual({
      To: late.request.phoneNumber,
      From: '+15005550006',
      Body: expect.stringContaining(late.code),
    });
    await expect.poll(late.deliveries).toMatchObject([{ status: 'DELIVERED', attempts: [{ error: null }] }]);
  });

  it('SMS: is retried by the schedule, with Twilio’s code for the owner', async () => {
    await using twilio = await startTwilioServer();
    twilio.answerWith({ status: 429, code: 20_429 }, (response) => void response.destroy());
    await using late = await sendLate({
      environment: { ...settingsOf(twilio), CALLBACK_RETRY_SCHEDULE: '10ms,10ms,10ms' },
    });
    await expect.poll(late.deliveries).toMatchObject([
      {
        status: 'DELIVERED',
        attempts: [{ error: 'SMS_FAILED', response: '20429' }, { error: 'CONNECTION_LOST' }, { error: null }],
      },
    ]);
  });

  it('SMS: is tried once to a number that is refused', async () => {
    await using twilio = await startTwilioServer();
    await using harness = await openDeliveryHarness({ environment: settingsOf(twilio) });
    const request = await harness.request({ phoneNumber: '+15005550004' });
    await harness.receive(request, { status: 'LATE_SUCCESS' });
    await expect
      .poll(() => harness.deliveries(request))
      .toMatchObject([{ status: 'FAILED', attempts: [{ error: 'SMS_REFUSED', response: '21610' }] }]);
    expect(twilio.messages).toHaveLength(1);
  });

  it('SMS: waits without an attempt while Twilio refuses the account', async () => {
    await using twilio = await startTwilioServer();
    await using late = await sendLate({
      environment: { ...settingsOf(twilio), TWILIO_AUTH_TOKEN: 'an old one' },
    });
    await expect.poll(() => late.harness.log.text).toContain('an attempt was postponed');
    const [delivery] = await late.deliveries();
    expect(delivery).toMatchObject({ status: 'PENDING', attempts: [] });
    expect(Date.parse(delivery?.nextAttemptAt ?? '')).toBeGreaterThan(Date.now() + 50_000);
    expect(late.harness.log.text).toContain('SMS_ACCOUNT_REFUSED');
    const ready = await fetch(`${late.harness.url}/health/ready`);
    expect([ready.status, await ready.json()]).toMatchObject([200, { engines: { sms: 'away' } }]);
  });
});
