import { Webhook } from 'standardwebhooks';
import { afterAll, expect, it } from 'vitest';
import { eventually } from './testing/eventually.ts';
import { openReceiver } from './testing/receiver.ts';
import { buildRequest, openHarness } from './testing/rig.ts';

const harness = await openHarness({ environment: { CALLBACK_RETRY_SCHEDULE: '1h' } });
afterAll(() => harness[Symbol.asyncDispose]());
const redeliver = (deliveryId: string | undefined, userId?: string) =>
  harness.post(
    'mutation ($deliveryId: ID!) { redeliver(deliveryId: $deliveryId) { id status nextAttemptAt attempts { status } } }',
    { deliveryId },
    userId,
  );
const rotate = async (userId: string) =>
  (await harness.post('mutation { rotateCallbackSecret }', {}, userId)).data?.rotateCallbackSecret as string;
const delivered = async (request: { requestId: string; userId: string }, attempts: number) => {
  await eventually(async () =>
    (await harness.deliveries(request)).map((one) => [one.status, one.attempts.length]),
  ).toEqual([['DELIVERED', attempts]]);
};

it('redeliver: sends the same id and body at once, and returns PENDING', async () => {
  await using receiver = await openReceiver();
  const request = await harness.request({ callbackUrl: receiver.url });
  await harness.receive(request);
  const first = await receiver.next();
  await delivered(request, 1);
  const id = first.headers['webhook-id'] as string;
  const { data } = await redeliver(id, request.userId);
  expect(data?.redeliver).toMatchObject({ id, status: 'PENDING', nextAttemptAt: expect.any(String) });
  const second = await receiver.next();
  expect([second.headers['webhook-id'], second.body]).toEqual([id, first.body]);
  await delivered(request, 2);
});

it('redeliver: sends a delivery at once that waits for its retry', async () => {
  await using receiver = await openReceiver();
  receiver.answer = (response) => void response.writeHead(500).end();
  const request = await harness.request({ callbackUrl: receiver.url });
  await harness.receive(request);
  const { headers } = await receiver.next();
  await eventually(async () => (await harness.deliveries(request))[0]?.attempts.length).toBe(1);
  receiver.answer = (response) => void response.writeHead(200).end();
  await redeliver(headers['webhook-id'] as string, request.userId);
  await receiver.next();
  await delivered(request, 2);
});

it('redeliver: starts no second attempt beside one in progress', async () => {
  await using receiver = await openReceiver();
  const pending = Promise.withResolvers<() => void>();
  receiver.answer = (response) => pending.resolve(() => void response.writeHead(200).end());
  const request = await harness.request({ callbackUrl: receiver.url });
  await harness.receive(request);
  const { headers } = await receiver.next();
  const answers = await Promise.all([1, 2].map(() => redeliver(headers['webhook-id'] as string, request.userId)));
  expect(answers.map(({ data }) => data?.redeliver)).toMatchObject([{ status: 'PENDING' }, { status: 'PENDING' }]);
  (await pending.promise)();
  await delivered(request, 1);
  expect(receiver.received).toHaveLength(1);
});

it('redeliver: rejects unknown and foreign deliveries, and signed-out users', async () => {
  await using receiver = await openReceiver();
  const request = await harness.request({ callbackUrl: receiver.url });
  await harness.receive(request);
  const id = (await receiver.next()).headers['webhook-id'] as string;
  const other = buildRequest().userId;
  const codes = [];
  for (const [deliveryId, user] of [
    [id, other],
    [buildRequest().requestId, other],
    ['nonsense', other],
    [id, undefined],
  ] as const) {
    codes.push((await redeliver(deliveryId, user)).errors?.[0]?.extensions?.code);
  }
  expect(codes).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND', 'UNAUTHENTICATED']);
  expect((await harness.post('mutation { rotateCallbackSecret }', {})).errors?.[0]?.extensions?.code).toBe(
    'UNAUTHENTICATED',
  );
});

it('mutations: reject an invalid token', async () => {
  const response = await fetch(`${harness.service.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer nonsense' },
    body: JSON.stringify({ query: 'mutation { rotateCallbackSecret }' }),
  });
  expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
});

it('callbackSecret: is visible to its user only', async () => {
  const { userId } = buildRequest();
  expect(await harness.secret(userId)).toMatch(/^whsec_/);
  for (const asking of [buildRequest().userId, undefined]) {
    const { data } = await harness.entities(
      [{ __typename: 'User', id: userId }],
      '... on User { callbackSecret }',
      asking,
    );
    expect(data?._entities).toEqual([{ callbackSecret: null }]);
  }
});

it('rotateCallbackSecret: callbacks are signed with the old and the new secret', async () => {
  await using receiver = await openReceiver();
  const request = await harness.request({ callbackUrl: receiver.url });
  const old = await harness.secret(request.userId);
  const current = await rotate(request.userId);
  expect([await harness.secret(request.userId), current === old]).toEqual([current, false]);
  await harness.receive(request);
  const { headers, body } = await receiver.next();
  expect(headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/);
  for (const secret of [current, old]) new Webhook(secret).verify(body, headers as Record<string, string>);
});

it('log: contains no phone number, code, callbackUrl, secret or token', async () => {
  await using receiver = await openReceiver();
  const down = await openReceiver();
  await down[Symbol.asyncDispose]();
  const phone = { phoneNumber: '+84909555123' };
  const late = await harness.request({ ...phone, callbackUrl: receiver.url });
  const code = await harness.receive(late, { status: 'LATE_SUCCESS' });
  const unheard = await harness.request({ ...phone, callbackUrl: down.url });
  const unheardCode = await harness.receive(unheard);
  const unresolved = await harness.request({ ...phone, callbackUrl: 'http://receiver.invalid/secret-path' });
  await harness.receive(unresolved);
  for (const request of [late, unheard, unresolved]) {
    await eventually(async () => (await harness.deliveries(request)).map(({ attempts }) => attempts.length)).toEqual(
      request === late ? [1, 1] : [1],
    );
  }
  const secrets = [
    '909555123',
    code.code,
    unheardCode.code,
    new URL(receiver.url).host,
    new URL(down.url).host,
    'receiver.invalid',
    'secret-path',
    await harness.secret(late.userId),
    await harness.identity.signIn(late.userId),
  ];
  expect(harness.log.text).toContain(late.requestId);
  for (const secret of secrets) expect(harness.log.text).not.toContain(secret);
});

it('health: is ready', async () => {
  expect((await fetch(`${harness.service.url}/health/ready`)).status).toBe(200);
});
