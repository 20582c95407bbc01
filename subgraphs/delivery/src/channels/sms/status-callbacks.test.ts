import { randomUUID } from 'node:crypto';
import type { Environment } from '@voucher-gateway/platform/process/config';
import { describe, expect, it } from 'vitest';
import { delivery } from '../../tables.ts';
import { openDeliveryHarness } from '../../testing/delivery-harness.ts';
import {
  createMessage,
  type ReportOptions,
  startTwilioServer,
  type TwilioAnswer,
  type TwilioMessage,
} from '../../testing/twilio-server.ts';
import { twilioSignature } from './twilio-signature.ts';

const publicUrl = 'https://vouchers.example.org/hooks';

async function setUp(environment: Environment = {}) {
  const resources = new AsyncDisposableStack();
  const twilio = resources.use(await startTwilioServer());
  const harness = resources.use(
    await openDeliveryHarness({
      environment: {
        SMS: 'twilio',
        TWILIO_URL: twilio.url,
        TWILIO_ACCOUNT_SID: twilio.accountSid,
        TWILIO_AUTH_TOKEN: twilio.authToken,
        TWILIO_FROM: '+15005550006',
        DELIVERY_PUBLIC_URL: publicUrl,
        CALLBACK_RETRY_SCHEDULE: '1h,1h',
        ...environment,
      },
    }),
  );
  const request = await harness.request();
  const context = {
    harness,
    twilio,
    /** Publishes the late code. */
    start: () => harness.receive(request, { status: 'LATE_SUCCESS' }),
    /** Returns the request's only delivery. */
    delivery: async () => (await harness.deliveries(request))[0],
    /** Waits until an attempt is stored that Twilio has accepted. */
    accepted: () => expect.poll(async () => (await context.delivery())?.attempts).toMatchObject([{ error: null }]),
    report: (message: TwilioMessage, status: string, options: ReportOptions = {}) =>
      twilio.report(message, status, { via: { publicUrl, url: harness.url }, ...options }),
    /** Posts a form with the headers of the test, for example a wrong signature. */
    async post(form: URLSearchParams, { search = '', headers = {} }: { search?: string; headers?: object } = {}) {
      const url = `/sms/status${search}`;
      const signature = twilioSignature({ authToken: twilio.authToken, url: publicUrl + url, form });
      const response = await fetch(harness.url + url, {
        method: 'POST',
        body: form,
        headers: { 'x-twilio-signature': signature, ...headers },
      });
      return { status: response.status, body: await response.json().catch(() => null) };
    },
    redeliver: (id = '') =>
      harness.post('mutation ($id: ID!) { redeliver(deliveryId: $id) { status } }', { id }, request.userId),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
  return context;
}

describe('status callback', () => {
  it('status callback: only “delivered” makes an accepted SMS DELIVERED', async () => {
    await using ctx = await setUp();
    await ctx.start();
    const message = await ctx.twilio.next();
    await ctx.accepted();
    const { id } = (await ctx.delivery()) ?? {};
    expect(message.form.StatusCallback).toBe(`${publicUrl}/sms/status?delivery=${id}&turn=1`);
    for (const status of ['accepted', 'queued', 'sending', 'sent', 'a new one']) {
      expect(await ctx.report(message, status)).toBe(204);
      expect(await ctx.delivery()).toMatchObject({ status: 'PENDING', nextAttemptAt: null });
    }
    expect(await ctx.report(message, 'delivered')).toBe(204);
    expect(await ctx.delivery()).toMatchObject({
      status: 'DELIVERED',
      nextAttemptAt: null,
      attempts: [{ error: null }],
    });
    expect(ctx.twilio.messages).toHaveLength(1);
  });

  it.each([
    ['an unreachable phone is retried', 30_003, { status: 'PENDING', nextAttemptAt: expect.any(String) }],
    ['an unknown number ends it', 30_005, { status: 'FAILED', nextAttemptAt: null }],
    ['no code is retried', undefined, { status: 'PENDING', nextAttemptAt: expect.any(String) }],
  ])('status callback: undelivered, %s', async (_what, errorCode, delivery) => {
    await using ctx = await setUp();
    await ctx.start();
    const message = await ctx.twilio.next();
    await ctx.accepted();
    const options = errorCode === undefined ? {} : { errorCode };
    const response = errorCode === undefined ? null : String(errorCode);
    // The report is sent twice. The second report is a duplicate.
    for (const _turn of [1, 2]) {
      expect(await ctx.report(message, 'undelivered', options)).toBe(204);
      expect(await ctx.delivery()).toMatchObject({ ...delivery, attempts: [{ error: 'SMS_UNDELIVERED', response }] });
    }
  });

  it('status callback: a failure is retried by the schedule, and then delivered', async () => {
    await using ctx = await setUp({ CALLBACK_RETRY_SCHEDULE: '10ms,10ms' });
    await ctx.start();
    const first = await ctx.twilio.next();
    await ctx.accepted();
    await ctx.report(first, 'failed', { errorCode: 30_008 });
    const second = await ctx.twilio.next();
    await ctx.report(second, 'delivered');
    await expect
      .poll(ctx.delivery)
      .toMatchObject({ status: 'DELIVERED', attempts: [{ error: 'SMS_UNDELIVERED' }, { error: null }] });
    // Late reports about the first attempt change nothing.
    expect(await ctx.report(first, 'failed', { errorCode: 30_005 })).toBe(204);
    expect(await ctx.delivery()).toMatchObject({ status: 'DELIVERED' });
  });

  it.each([
    ['delivered', { status: 'DELIVERED', nextAttemptAt: null, attempts: [{ error: null }] }],
    [
      'undelivered',
      { status: 'FAILED', nextAttemptAt: null, attempts: [{ error: 'SMS_UNDELIVERED', response: '30005' }] },
    ],
  ])('status callback: “%s” before the answer to the send is stored', async (status, delivery) => {
    await using ctx = await setUp();
    const answer = Promise.withResolvers<() => void>();
    const later: TwilioAnswer = (response, message) => answer.resolve(() => createMessage(response, message));
    ctx.twilio.answerWith(later);
    await ctx.start();
    const message = await ctx.twilio.next();
    expect(await ctx.report(message, status, { errorCode: 30_005 })).toBe(204);
    expect(await ctx.delivery()).toMatchObject(delivery);
    (await answer.promise)();
    // When the dispatcher stores the attempt, it replaces the time of the attempt, but not the reported result.
    await expect.poll(async () => (await ctx.delivery())?.attempts[0]?.durationMs).toBeGreaterThan(0);
    expect(await ctx.delivery()).toMatchObject(delivery);
    expect((await ctx.delivery())?.attempts).toHaveLength(1);
    expect(ctx.twilio.messages).toHaveLength(1);
  });

  it('status callback: “delivered” corrects a failure, as they may be out of order', async () => {
    await using ctx = await setUp();
    await ctx.start();
    const message = await ctx.twilio.next();
    await ctx.accepted();
    await ctx.report(message, 'undelivered', { errorCode: 30_005 });
    await ctx.report(message, 'delivered');
    const delivered = { status: 'DELIVERED', nextAttemptAt: null, attempts: [{ error: null, response: null }] };
    expect(await ctx.delivery()).toMatchObject(delivered);
    await ctx.report(message, 'undelivered', { errorCode: 30_005 });
    await ctx.report(message, 'sent');
    expect(await ctx.delivery()).toMatchObject(delivered);
  });

  it('status callback: without one, an SMS counts as delivered, and is sent once', async () => {
    await using ctx = await setUp({ SMS_REPORT_WAIT: '10ms' });
    await ctx.start();
    await expect.poll(ctx.delivery).toMatchObject({ status: 'DELIVERED', attempts: [{ error: null }] });
    expect(ctx.twilio.messages).toHaveLength(1);
    expect(ctx.harness.log.text).toContain('it counts as delivered');
  });

  // After a crash it is unknown whether the SMS was sent, until a report arrives (docs/sms.md).
  it.each([
    ['is sent again', null, ['&turn=1', '&turn=2']],
    ['is not sent again if it is reported as delivered', 'delivered', ['&turn=1']],
  ])('SMS: one whose sender died before the record %s', async (_what, reported, turns) => {
    await using ctx = await setUp();
    ctx.twilio.answerWith(() => {});
    await ctx.start();
    const first = await ctx.twilio.next();
    await ctx.harness.service[Symbol.asyncDispose]();
    // Ends the lease of the aborted attempt.
    if (!reported) await ctx.harness.engines.database.query.update(delivery).set({ nextAttemptAt: new Date() });
    await ctx.harness.start();
    if (reported) expect(await ctx.report(first, reported)).toBe(204);
    else await ctx.report(await ctx.twilio.next(), 'delivered');
    await expect.poll(ctx.delivery).toMatchObject({ status: 'DELIVERED' });
    expect(ctx.twilio.messages.map(({ form }) => form.StatusCallback?.slice(-7))).toEqual(turns);
  });

  it('status callback: a redelivery while it is awaited sends another SMS', async () => {
    await using ctx = await setUp();
    await ctx.start();
    const first = await ctx.twilio.next();
    await ctx.accepted();
    await ctx.redeliver((await ctx.delivery())?.id);
    const second = await ctx.twilio.next();
    expect(second.form.StatusCallback).toContain('&turn=2');
    // A report about the first attempt no longer counts, unless it says that the SMS was delivered.
    expect(await ctx.report(first, 'undelivered', { errorCode: 30_005 })).toBe(204);
    expect(await ctx.delivery()).toMatchObject({ status: 'PENDING' });
    expect(await ctx.report(first, 'delivered')).toBe(204);
    expect(await ctx.delivery()).toMatchObject({ status: 'DELIVERED' });
  });
});

describe('status callback of strangers', () => {
  it('status callback: a wrong signature changes nothing, and is 403', async () => {
    await using ctx = await setUp();
    await ctx.start();
    const message = await ctx.twilio.next();
    await ctx.accepted();
    const search = new URL(message.form.StatusCallback ?? '').search;
    const form = new URLSearchParams({ MessageSid: message.sid, MessageStatus: 'delivered' });
    const signature = (url: string) => twilioSignature({ authToken: ctx.twilio.authToken, url, form });
    for (const wrong of [
      '',
      'forged',
      signature(`${publicUrl}/sms/status`),
      signature(`${ctx.harness.url}/sms/status${search}`),
      twilioSignature({ authToken: 'another', url: `${publicUrl}/sms/status${search}`, form }),
    ])
      expect(await ctx.post(form, { search, headers: { 'x-twilio-signature': wrong } })).toMatchObject({
        status: 403,
        body: { code: 'FORBIDDEN' },
      });
    expect(await ctx.delivery()).toMatchObject({ status: 'PENDING' });
    expect(await ctx.post(form, { search })).toMatchObject({ status: 204 });
    expect(await ctx.delivery()).toMatchObject({ status: 'DELIVERED' });
  });

  it('status callback: an unknown SMS is 404', async () => {
    await using ctx = await setUp();
    await ctx.start();
    const message = await ctx.twilio.next();
    await ctx.accepted();
    const { id } = (await ctx.delivery()) ?? {};
    const form = new URLSearchParams({ MessageSid: message.sid, MessageStatus: 'delivered' });
    for (const search of [
      '',
      `?delivery=${randomUUID()}&turn=1`,
      `?delivery=${id}`,
      `?delivery=${id}&turn=2`,
      `?delivery=${id}&turn=0`,
      `?delivery=${id}&turn=99999999999`,
      `?delivery=nonsense&turn=1`,
    ])
      expect(await ctx.post(form, { search }), search).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    expect(await ctx.delivery()).toMatchObject({ status: 'PENDING' });
  });

  it('status callback: a body that is large, or no form, is refused', async () => {
    await using ctx = await setUp();
    const large = await ctx.post(new URLSearchParams({ MessageStatus: 'x'.repeat(20_000) }));
    expect(large).toMatchObject({ status: 413, body: { code: 'REQUEST_TOO_LARGE' } });
    for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x'])
      expect((await ctx.post(new URLSearchParams(), { headers: { 'content-type': type } })).status).toBe(415);
    const forms = await fetch(`${ctx.harness.url}/graphql`, {
      method: 'POST',
      body: new URLSearchParams({ query: '{}' }),
    });
    expect(forms.status).toBe(415);
  });

  it('status callback: has no route without DELIVERY_PUBLIC_URL', async () => {
    await using ctx = await setUp({ DELIVERY_PUBLIC_URL: undefined });
    await ctx.start();
    expect((await ctx.twilio.next()).form.StatusCallback).toBeUndefined();
    await expect.poll(ctx.delivery).toMatchObject({ status: 'DELIVERED' });
    expect((await ctx.post(new URLSearchParams({ MessageStatus: 'delivered' }))).status).toBe(404);
  });
});
