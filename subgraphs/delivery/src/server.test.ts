import { createTestClock } from '@voucher-gateway/platform/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import { callbackUrlKey } from '@voucher-gateway/schema/callback-url';
import { topics as contracts } from '@voucher-gateway/schema/topics';
import { Webhook } from 'standardwebhooks';
import { afterAll, expect, it } from 'vitest';
import type { Sms } from './sms-sender.ts';
import { eventually } from './testing/eventually.ts';
import { openReceiver } from './testing/receiver.ts';
import { aCode, aRequest, openRig } from './testing/rig.ts';

const sent: Sms[] = [];
const rig = await openRig({ smsSender: { send: async (sms) => void sent.push(sms) } });
afterAll(() => rig[Symbol.asyncDispose]());
const statuses = async (request: { requestId: string; userId: string }) =>
  (await rig.deliveries(request)).map(({ channel, status }) => `${channel} ${status}`);

it('sends a code to the callbackUrl, signed by Standard Webhooks', async () => {
  await using receiver = await openReceiver();
  const request = await rig.request({ callbackUrl: receiver.url });
  const code = await rig.receive(request);
  const { headers, body } = await receiver.next();
  expect(headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'voucher-gateway' });
  const verified = new Webhook(await rig.secret(request.userId)).verify(body, headers as Record<string, string>);
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
  await eventually(() => rig.deliveries(request)).toEqual([
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

it('sends a late code by SMS and to the callbackUrl', async () => {
  await using receiver = await openReceiver();
  const request = await rig.request({ callbackUrl: receiver.url });
  const code = await rig.receive(request, { status: 'LATE_SUCCESS' });
  expect(JSON.parse((await receiver.next()).body)).toMatchObject({ data: { status: 'LATE_SUCCESS', code: code.code } });
  await eventually(() => statuses(request)).toEqual(['CALLBACK DELIVERED', 'SMS DELIVERED']);
  const [, sms] = await rig.deliveries(request);
  expect(sms).toMatchObject({ url: null, attempts: [{ status: null, error: null }] });
  const text = expect.stringContaining(code.code);
  expect(sent.filter(({ phoneNumber }) => phoneNumber === request.phoneNumber)).toEqual([
    { phoneNumber: request.phoneNumber, text, idempotencyKey: sms?.id },
  ]);
});

it('sends a late code by SMS alone where there is no callbackUrl', async () => {
  const request = await rig.request();
  await rig.receive(request, { status: 'LATE_SUCCESS' });
  await eventually(() => statuses(request)).toEqual(['SMS DELIVERED']);
});

it('sends a failure to the callbackUrl', async () => {
  await using receiver = await openReceiver();
  const request = await rig.request({ callbackUrl: receiver.url });
  const { requestId, phoneNumber, reason, message, failedAt } = await rig.fail(request);
  const { body, headers } = await receiver.next();
  expect(new Webhook(await rig.secret(request.userId)).verify(body, headers as Record<string, string>)).toEqual({
    type: 'voucher.failed',
    timestamp: failedAt,
    data: { requestId, phoneNumber, reason, message, failedAt },
  });
});

it('sends nothing where there is no callbackUrl and the code is in time, or the request failed', async () => {
  const [quick, failing] = [
    await rig.request({ phoneNumber: '+84909000001' }),
    await rig.request({ phoneNumber: '+84909000001' }),
  ];
  await rig.receive(quick);
  await rig.fail(failing);
  // Messages of one phone are handled in order: once the last is through, so are the others of its topic.
  const last = [
    await rig.request({ phoneNumber: '+84909000001' }),
    await rig.request({ phoneNumber: '+84909000001' }),
  ] as const;
  await using receiver = await openReceiver();
  const marker = await rig.request({ phoneNumber: '+84909000001', callbackUrl: receiver.url });
  const failedMarker = await rig.request({ phoneNumber: '+84909000001', callbackUrl: receiver.url });
  await rig.receive(last[0]);
  await rig.receive(marker);
  await rig.fail(last[1]);
  await rig.fail(failedMarker);
  await Promise.all([receiver.next(), receiver.next()]);
  for (const request of [quick, failing, ...last]) expect(await rig.deliveries(request)).toEqual([]);
});

it('sends once for a message that comes twice', async () => {
  await using receiver = await openReceiver();
  const request = await rig.request({ callbackUrl: receiver.url });
  const code = await rig.receive(request);
  await rig.publish(contracts.requestCode, request);
  await rig.publish(contracts.receiveCode, code);
  await receiver.next();
  // Behind the repeat in the same key's order.
  const marker = await rig.request({ callbackUrl: receiver.url, phoneNumber: request.phoneNumber });
  await rig.receive(marker);
  await receiver.next();
  expect(receiver.received.filter(({ body }) => body.includes(request.requestId))).toHaveLength(1);
  await eventually(() => statuses(request)).toEqual(['CALLBACK DELIVERED']);
});

it('sends the codes of two requests of one phone at once each to its own callbackUrl', async () => {
  await using first = await openReceiver();
  await using second = await openReceiver();
  const phone = { phoneNumber: '+84909777777', userId: aRequest().userId };
  const [one, two] = await Promise.all([
    rig.request({ ...phone, callbackUrl: first.url }),
    rig.request({ ...phone, callbackUrl: second.url }),
  ]);
  const [codeOne, codeTwo] = await Promise.all([rig.receive(one), rig.receive(two)]);
  expect(JSON.parse((await first.next()).body).data).toMatchObject({ requestId: one.requestId, code: codeOne.code });
  expect(JSON.parse((await second.next()).body).data).toMatchObject({ requestId: two.requestId, code: codeTwo.code });
  await eventually(async () => [await statuses(one), await statuses(two)]).toEqual([
    ['CALLBACK DELIVERED'],
    ['CALLBACK DELIVERED'],
  ]);
  expect([first.received.length, second.received.length]).toEqual([1, 1]);
});

it('asks the key-value store before its own row', async () => {
  await using receiver = await openReceiver();
  const request = aRequest({ callbackUrl: receiver.url });
  await rig.engines.keyValue.set(callbackUrlKey(request.requestId), JSON.stringify({ callbackUrl: receiver.url }), {
    ttlMs: 60_000,
  });
  await rig.receive(request);
  expect((await receiver.next()).body).toContain(request.requestId);
});

it.each([
  ['was emptied', async () => null],
  ['holds nonsense', async () => '{"callbackUrl":'],
  [
    'is away',
    () =>
      Promise.reject(
        new CodedError('KEY_VALUE_UNAVAILABLE', 'The key-value store does not answer.', { retryable: true }),
      ),
  ],
])('asks its own row where the key-value store %s', async (_what, get) => {
  await using other = await openRig({ keyValue: { get } });
  await using receiver = await openReceiver();
  await other.receive(await other.request({ callbackUrl: receiver.url }));
  await receiver.next();
});

it('keeps an outcome that comes before its request waiting, and only its own phone with it', async () => {
  const clock = createTestClock();
  let asked = 0;
  const enough = Promise.withResolvers<void>();
  const get = async () => {
    asked += 1;
    if (asked > 4) enough.resolve();
    clock.advance(8_000);
    return null;
  };
  await using other = await openRig({ clock, keyValue: { get } });
  await using receiver = await openReceiver();
  const early = aRequest({ callbackUrl: receiver.url });
  await other.receive(early);
  const another = await other.request({ callbackUrl: receiver.url });
  await other.receive(another);
  expect((await receiver.next()).body).toContain(another.requestId);
  await enough.promise;
  await other.publish(contracts.requestCode, early);
  expect((await receiver.next()).body).toContain(early.requestId);
  expect(other.log.text).toContain('an outcome waits for its request');
});

it('answers nobody but the owner what was sent', async () => {
  await using receiver = await openReceiver();
  const request = await rig.request({ callbackUrl: receiver.url });
  const { id } = await rig.receive(request);
  const webhookId = (await receiver.next()).headers['webhook-id'];
  const references = [
    { __typename: 'Voucher', id },
    { __typename: 'VoucherRequest', id: request.requestId },
    { __typename: 'Delivery', id: webhookId },
    { __typename: 'Voucher', id: aCode(request).id },
    { __typename: 'VoucherRequest', id: 'nonsense' },
    { __typename: 'Delivery', id: 'nonsense' },
  ];
  const selection =
    '... on Voucher { deliveries { id } } ... on VoucherRequest { deliveries { id } } ... on Delivery { channel }';
  const own = [{ deliveries: [{ id: webhookId }] }, { deliveries: [{ id: webhookId }] }, { channel: 'CALLBACK' }];
  const unmet = [{ deliveries: [] }, { deliveries: [] }, null];
  expect(await rig.entities(references, selection, request.userId)).toEqual({
    status: 200,
    data: { _entities: [...own, ...unmet] },
  });
  for (const user of [aRequest().userId, undefined]) {
    const answer = await rig.entities(references, selection, user);
    expect(answer).toEqual({ status: 200, data: { _entities: [...unmet, ...unmet] } });
  }
});

it('sends malformed messages to dead-letter and goes on', async () => {
  await using receiver = await openReceiver();
  const found = Promise.withResolvers<string>();
  const deadLetter = {
    name: 'receive-code.dead-letter',
    schema: contracts.receiveCode.schema.partial(),
    key: () => '',
  };
  await using _tail = await rig.engines.topics.tail({
    topic: deadLetter as never,
    from: 'now',
    onMessage: ({ headers }) => found.resolve(headers['dead-letter-error'] ?? ''),
  });
  const loose = { ...contracts.receiveCode, schema: contracts.receiveCode.schema.partial(), key: () => 'x' };
  await rig.publish(loose as never, { code: 'a code without a request' });
  expect(await found.promise).toBe('TOPIC_VALUE_INVALID');
  await rig.receive(await rig.request({ callbackUrl: receiver.url }));
  await receiver.next();
});
