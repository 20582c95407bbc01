import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import { callbackUrlKey } from '@voucher-gateway/schema/callback-url';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { Webhook } from 'standardwebhooks';
import { afterAll, expect, it } from 'vitest';
import type { Sms } from './channels/sms.ts';
import { eventually } from './testing/eventually.ts';
import { openReceiver } from './testing/receiver.ts';
import { buildCode, buildRequest, openHarness } from './testing/rig.ts';

const sent: Sms[] = [];
const harness = await openHarness({ smsSender: { send: async (sms) => void sent.push(sms) } });
afterAll(() => harness[Symbol.asyncDispose]());
const statuses = async (request: { requestId: string; userId: string }) =>
  (await harness.deliveries(request)).map(({ channel, status }) => `${channel} ${status}`);

it('callback: sends a code, signed by Standard Webhooks', async () => {
  await using receiver = await openReceiver();
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
  await eventually(() => harness.deliveries(request)).toEqual([
    {
      id: headers['webhook-id'],
      channel: 'CALLBACK',
      status: 'DELIVERED',
      url: receiver.url,
      nextAttemptAt: null,
      attempts: [{ at: expect.any(String), status: 204, durationMs: expect.any(Number), error: null }],
    },
  ]);
});

it('late code: is sent by SMS and to the callbackUrl', async () => {
  await using receiver = await openReceiver();
  const request = await harness.request({ callbackUrl: receiver.url });
  const code = await harness.receive(request, { status: 'LATE_SUCCESS' });
  expect(JSON.parse((await receiver.next()).body)).toMatchObject({ data: { status: 'LATE_SUCCESS', code: code.code } });
  await eventually(() => statuses(request)).toEqual(['CALLBACK DELIVERED', 'SMS DELIVERED']);
  const [, sms] = await harness.deliveries(request);
  expect(sms).toMatchObject({ url: null, attempts: [{ status: null, error: null }] });
  const text = expect.stringContaining(code.code);
  expect(sent.filter(({ phoneNumber }) => phoneNumber === request.phoneNumber)).toEqual([
    { phoneNumber: request.phoneNumber, text, idempotencyKey: sms?.id },
  ]);
});

it('late code: is sent only by SMS without a callbackUrl', async () => {
  const request = await harness.request();
  await harness.receive(request, { status: 'LATE_SUCCESS' });
  await eventually(() => statuses(request)).toEqual(['SMS DELIVERED']);
});

it('callback: sends a failure', async () => {
  await using receiver = await openReceiver();
  const request = await harness.request({ callbackUrl: receiver.url });
  const { requestId, phoneNumber, reason, message, failedAt } = await harness.fail(request);
  const { body, headers } = await receiver.next();
  expect(new Webhook(await harness.secret(request.userId)).verify(body, headers as Record<string, string>)).toEqual({
    type: 'voucher.failed',
    timestamp: failedAt,
    data: { requestId, phoneNumber, reason, message, failedAt },
  });
});

it('outcome: is not sent without a callbackUrl, unless its code is late', async () => {
  const [quick, failing] = [
    await harness.request({ phoneNumber: '+84909000001' }),
    await harness.request({ phoneNumber: '+84909000001' }),
  ];
  await harness.receive(quick);
  await harness.fail(failing);
  // Messages of one phone number are handled in order, so the markers show that the earlier ones are finished.
  const last = [
    await harness.request({ phoneNumber: '+84909000001' }),
    await harness.request({ phoneNumber: '+84909000001' }),
  ] as const;
  await using receiver = await openReceiver();
  const marker = await harness.request({ phoneNumber: '+84909000001', callbackUrl: receiver.url });
  const failedMarker = await harness.request({ phoneNumber: '+84909000001', callbackUrl: receiver.url });
  await harness.receive(last[0]);
  await harness.receive(marker);
  await harness.fail(last[1]);
  await harness.fail(failedMarker);
  await Promise.all([receiver.next(), receiver.next()]);
  for (const request of [quick, failing, ...last]) expect(await harness.deliveries(request)).toEqual([]);
});

it('callback: is sent once for a duplicate message', async () => {
  await using receiver = await openReceiver();
  const request = await harness.request({ callbackUrl: receiver.url });
  const code = await harness.receive(request);
  await harness.publish(schemaTopics.requestCode, request);
  await harness.publish(schemaTopics.receiveCode, code);
  await receiver.next();
  // Has the same key, so it is handled after the duplicate.
  const marker = await harness.request({ callbackUrl: receiver.url, phoneNumber: request.phoneNumber });
  await harness.receive(marker);
  await receiver.next();
  expect(receiver.received.filter(({ body }) => body.includes(request.requestId))).toHaveLength(1);
  await eventually(() => statuses(request)).toEqual(['CALLBACK DELIVERED']);
});

it('callback: goes to the URL of its own request', async () => {
  await using first = await openReceiver();
  await using second = await openReceiver();
  const phone = { phoneNumber: '+84909777777', userId: buildRequest().userId };
  const [one, two] = await Promise.all([
    harness.request({ ...phone, callbackUrl: first.url }),
    harness.request({ ...phone, callbackUrl: second.url }),
  ]);
  const [codeOne, codeTwo] = await Promise.all([harness.receive(one), harness.receive(two)]);
  expect(JSON.parse((await first.next()).body).data).toMatchObject({ requestId: one.requestId, code: codeOne.code });
  expect(JSON.parse((await second.next()).body).data).toMatchObject({ requestId: two.requestId, code: codeTwo.code });
  await eventually(async () => [await statuses(one), await statuses(two)]).toEqual([
    ['CALLBACK DELIVERED'],
    ['CALLBACK DELIVERED'],
  ]);
  expect([first.received.length, second.received.length]).toEqual([1, 1]);
});

it('callbackUrl: is read from the key-value store first', async () => {
  await using receiver = await openReceiver();
  const request = buildRequest({ callbackUrl: receiver.url });
  await harness.engines.keyValue.set(callbackUrlKey(request.requestId), JSON.stringify({ callbackUrl: receiver.url }), {
    ttlMs: 60_000,
  });
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
])('callbackUrl: is read from the database if the key-value store %s', async (_what, get) => {
  await using other = await openHarness({ keyValue: { get } });
  await using receiver = await openReceiver();
  await other.receive(await other.request({ callbackUrl: receiver.url }));
  await receiver.next();
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
  await using other = await openHarness({ clock, keyValue: { get } });
  await using receiver = await openReceiver();
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

it('deliveries: are visible to their owner only', async () => {
  await using receiver = await openReceiver();
  const request = await harness.request({ callbackUrl: receiver.url });
  const { id } = await harness.receive(request);
  const webhookId = (await receiver.next()).headers['webhook-id'];
  const references = [
    { __typename: 'Voucher', id },
    { __typename: 'VoucherRequest', id: request.requestId },
    { __typename: 'Delivery', id: webhookId },
    { __typename: 'Voucher', id: buildCode(request).id },
    { __typename: 'VoucherRequest', id: 'nonsense' },
    { __typename: 'Delivery', id: 'nonsense' },
  ];
  const selection =
    '... on Voucher { deliveries { id } } ... on VoucherRequest { deliveries { id } } ... on Delivery { channel }';
  const own = [{ deliveries: [{ id: webhookId }] }, { deliveries: [{ id: webhookId }] }, { channel: 'CALLBACK' }];
  const invisible = [{ deliveries: [] }, { deliveries: [] }, null];
  expect(await harness.entities(references, selection, request.userId)).toEqual({
    status: 200,
    data: { _entities: [...own, ...invisible] },
  });
  for (const user of [buildRequest().userId, undefined]) {
    const answer = await harness.entities(references, selection, user);
    expect(answer).toEqual({ status: 200, data: { _entities: [...invisible, ...invisible] } });
  }
});

it('outcome: is sent to dead-letter if malformed, and later ones are delivered', async () => {
  await using receiver = await openReceiver();
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
