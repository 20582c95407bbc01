import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { embeddedDeadLetters } from '@voucher-gateway/platform/topics/dead-letter-reader';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { afterAll, describe, expect, it } from 'vitest';
import { delivered } from './attempt-result.ts';
import type { Sms } from './channels/sms/sms.ts';
import { buildRequest, openDeliveryHarness } from './testing/delivery-harness.ts';

const sent: Sms[] = [];
const harness = await openDeliveryHarness({
  smsSender: {
    async send(sms) {
      sent.push(sms);
      return delivered(null);
    },
  },
});
afterAll(() => harness[Symbol.asyncDispose]());
const statuses = async (request: { requestId: string; userId: string }) =>
  (await harness.deliveries(request)).map(({ channel, status }) => `${channel} ${status}`);

describe('outcome', () => {
  it('late code: is sent by SMS and to the callbackUrl', async () => {
    await using receiver = await startReceiver();
    const request = await harness.request({ callbackUrl: receiver.url });
    const code = await harness.receive(request, { status: 'LATE_SUCCESS' });
    expect(JSON.parse((await receiver.next()).body)).toMatchObject({
      data: { status: 'LATE_SUCCESS', code: code.code },
    });
    await expect.poll(() => statuses(request)).toEqual(['CALLBACK DELIVERED', 'SMS DELIVERED']);
    const [, sms] = await harness.deliveries(request);
    expect(sms).toMatchObject({ url: null, attempts: [{ status: null, error: null }] });
    const text = expect.stringContaining(code.code);
    expect(sent.filter(({ phoneNumber }) => phoneNumber === request.phoneNumber)).toMatchObject([
      { phoneNumber: request.phoneNumber, text, deliveryId: sms?.id, turn: 1 },
    ]);
  });

  it('late code: is sent only by SMS without a callbackUrl', async () => {
    const request = await harness.request();
    await harness.receive(request, { status: 'LATE_SUCCESS' });
    await expect.poll(() => statuses(request)).toEqual(['SMS DELIVERED']);
  });

  it('outcome: is not sent without a callbackUrl, unless its code is late', async () => {
    const [quick, failing] = [
      await harness.request({ phoneNumber: '+84909000001' }),
      await harness.request({ phoneNumber: '+84909000001' }),
    ];
    await harness.receive(quick);
    await harness.fail(failing);
    // Messages of one phone number are handled in order. So when the last messages are handled, all earlier messages
    // are handled, too.
    const last = [
      await harness.request({ phoneNumber: '+84909000001' }),
      await harness.request({ phoneNumber: '+84909000001' }),
    ] as const;
    await using receiver = await startReceiver();
    const marker = await harness.request({ phoneNumber: '+84909000001', callbackUrl: receiver.url });
    const failedMarker = await harness.request({ phoneNumber: '+84909000001', callbackUrl: receiver.url });
    await harness.receive(last[0]);
    await harness.receive(marker);
    await harness.fail(last[1]);
    await harness.fail(failedMarker);
    await Promise.all([receiver.next(), receiver.next()]);
    for (const request of [quick, failing, ...last]) expect(await harness.deliveries(request)).toEqual([]);
  });

  it('outcome: waits for its request, and delays only its own phone number', async () => {
    const clock = createTestClock();
    let lookups = 0;
    const enough = Promise.withResolvers<void>();
    const get = async () => {
      lookups += 1;
      if (lookups > 4) enough.resolve();
      clock.advance(8_000);
      return null;
    };
    await using other = await openDeliveryHarness({ clock, keyValue: { get } });
    await using receiver = await startReceiver();
    const early = buildRequest({ callbackUrl: receiver.url });
    await other.receive(early);
    const another = await other.request({ callbackUrl: receiver.url });
    await other.receive(another);
    expect((await receiver.next()).body).toContain(another.requestId);
    await enough.promise;
    await other.publish(schemaTopics.requestCode, early);
    expect((await receiver.next()).body).toContain(early.requestId);
    expect(other.log.text).toContain('an outcome waits for its request');
  });

  it('outcome: is sent to dead-letter if malformed, and later ones are delivered', async () => {
    await using receiver = await startReceiver();
    const found = Promise.withResolvers<string>();
    const deadLetter = {
      name: 'receive-code.dead-letter',
      schema: schemaTopics.receiveCode.schema.partial(),
      key: () => '',
    };
    await using _tail = await harness.engines.topics.tail({
      topic: deadLetter as never,
      from: 'now',
      onMessage: ({ headers }) => found.resolve(headers['dead-letter-error'] ?? ''),
    });
    const loose = { ...schemaTopics.receiveCode, schema: schemaTopics.receiveCode.schema.partial(), key: () => 'x' };
    await harness.publish(loose as never, { code: 'a code without a request' });
    expect(await found.promise).toBe('TOPIC_VALUE_INVALID');
    await harness.receive(await harness.request({ callbackUrl: receiver.url }));
    await receiver.next();
  });

  it('outcome: is sent to dead-letter if its request stays unknown', async () => {
    // Regression: an outcome whose request is unknown blocked all later outcomes of its phone number permanently.
    await using harness = await openDeliveryHarness({
      limits: { parkAfterMs: 20 },
      environment: { REQUEST_WAIT: '100ms' },
    });
    await using receiver = await startReceiver();
    const unknown = buildRequest();
    await harness.receive(unknown);
    const request = await harness.request({ callbackUrl: receiver.url, phoneNumber: unknown.phoneNumber });
    const { id } = await harness.receive(request);
    expect(JSON.parse((await receiver.next()).body)).toMatchObject({ data: { voucherId: id } });
    const letters: { headers: Readonly<Record<string, string>>; value: string }[] = [];
    await embeddedDeadLetters(harness.engines.database)((letter) => void letters.push(letter));
    expect(letters).toMatchObject([
      { headers: { 'dead-letter-error': 'REQUEST_NOT_SEEN_YET' }, value: expect.stringContaining(unknown.requestId) },
    ]);
  });
});
