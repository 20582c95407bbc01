import { Webhook } from 'standardwebhooks';
import { afterAll, expect, it } from 'vitest';
import { eventually } from './testing/eventually.ts';
import { openReceiver } from './testing/receiver.ts';
import { aRequest, openRig } from './testing/rig.ts';

const rig = await openRig({ environment: { CALLBACK_RETRY_SCHEDULE: '1h' } });
afterAll(() => rig[Symbol.asyncDispose]());
const redeliver = (deliveryId: string | undefined, userId?: string) =>
  rig.post(
    'mutation ($deliveryId: ID!) { redeliver(deliveryId: $deliveryId) { id status nextAttemptAt attempts { status } } }',
    { deliveryId },
    userId,
  );
const rotate = async (userId: string) =>
  (await rig.post('mutation { rotateCallbackSecret }', {}, userId)).data?.rotateCallbackSecret as string;
const delivered = async (request: { requestId: string; userId: string }, attempts: number) => {
  await eventually(async () => (await rig.deliveries(request)).map((one) => [one.status, one.attempts.length])).toEqual(
    [['DELIVERED', attempts]],
  );
};

it('sends a delivery again at once, with the same id and body, and answers it as pending', async () => {
  await using receiver = await openReceiver();
  const request = await rig.request({ callbackUrl: receiver.url });
  await rig.receive(request);
  const first = await receiver.next();
  await delivered(request, 1);
  const id = first.headers['webhook-id'] as string;
  const { data } = await redeliver(id, request.userId);
  expect(data?.redeliver).toMatchObject({ id, status: 'PENDING', nextAttemptAt: expect.any(String) });
  const second = await receiver.next();
  expect([second.headers['webhook-id'], second.body]).toEqual([id, first.body]);
  await delivered(request, 2);
});

it('sends a delivery that waits for its next attempt at once', async () => {
  await using receiver = await openReceiver();
  receiver.answer = (response) => void response.writeHead(500).end();
  const request = await rig.request({ callbackUrl: receiver.url });
  await rig.receive(request);
  const { headers } = await receiver.next();
  await eventually(async () => (await rig.deliveries(request))[0]?.attempts.length).toBe(1);
  receiver.answer = (response) => void response.writeHead(200).end();
  await redeliver(headers['webhook-id'] as string, request.userId);
  await receiver.next();
  await delivered(request, 2);
});

it('does not send a second time at once what is being sent', async () => {
  await using receiver = await openReceiver();
  const hanging = Promise.withResolvers<() => void>();
  receiver.answer = (response) => hanging.resolve(() => void response.writeHead(200).end());
  const request = await rig.request({ callbackUrl: receiver.url });
  await rig.receive(request);
  const { headers } = await receiver.next();
  const answers = await Promise.all([1, 2].map(() => redeliver(headers['webhook-id'] as string, request.userId)));
  expect(answers.map(({ data }) => data?.redeliver)).toMatchObject([{ status: 'PENDING' }, { status: 'PENDING' }]);
  (await hanging.promise)();
  await delivered(request, 1);
  expect(receiver.received).toHaveLength(1);
});

it('answers NOT_FOUND for a delivery that is unknown or not one’s own, and UNAUTHENTICATED when signed out', async () => {
  await using receiver = await openReceiver();
  const request = await rig.request({ callbackUrl: receiver.url });
  await rig.receive(request);
  const id = (await receiver.next()).headers['webhook-id'] as string;
  const other = aRequest().userId;
  const codes = [];
  for (const [deliveryId, user] of [
    [id, other],
    [aRequest().requestId, other],
    ['nonsense', other],
    [id, undefined],
  ] as const) {
    codes.push((await redeliver(deliveryId, user)).errors?.[0]?.extensions?.code);
  }
  expect(codes).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND', 'UNAUTHENTICATED']);
  expect((await rig.post('mutation { rotateCallbackSecret }', {})).errors?.[0]?.extensions?.code).toBe(
    'UNAUTHENTICATED',
  );
});

it('refuses a token that is not valid', async () => {
  const response = await fetch(`${rig.service.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer nonsense' },
    body: JSON.stringify({ query: 'mutation { rotateCallbackSecret }' }),
  });
  expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
});

it('shows the secret to its user alone', async () => {
  const { userId } = aRequest();
  expect(await rig.secret(userId)).toMatch(/^whsec_/);
  for (const asking of [aRequest().userId, undefined]) {
    const { data } = await rig.entities([{ __typename: 'User', id: userId }], '... on User { callbackSecret }', asking);
    expect(data?._entities).toEqual([{ callbackSecret: null }]);
  }
});

it('signs with the old and the new secret after a rotation', async () => {
  await using receiver = await openReceiver();
  const request = await rig.request({ callbackUrl: receiver.url });
  const old = await rig.secret(request.userId);
  const current = await rotate(request.userId);
  expect([await rig.secret(request.userId), current === old]).toEqual([current, false]);
  await rig.receive(request);
  const { headers, body } = await receiver.next();
  expect(headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/);
  for (const secret of [current, old]) new Webhook(secret).verify(body, headers as Record<string, string>);
});

it('writes no phone number, code, callbackUrl, secret or token to its log', async () => {
  await using receiver = await openReceiver();
  const down = await openReceiver();
  await down[Symbol.asyncDispose]();
  const phone = { phoneNumber: '+84909555123' };
  const late = await rig.request({ ...phone, callbackUrl: receiver.url });
  const code = await rig.receive(late, { status: 'LATE_SUCCESS' });
  const unheard = await rig.request({ ...phone, callbackUrl: down.url });
  const unheardCode = await rig.receive(unheard);
  const unresolved = await rig.request({ ...phone, callbackUrl: 'http://receiver.invalid/secret-path' });
  await rig.receive(unresolved);
  for (const request of [late, unheard, unresolved]) {
    await eventually(async () => (await rig.deliveries(request)).map(({ attempts }) => attempts.length)).toEqual(
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
    await rig.secret(late.userId),
    await rig.identity.signIn(late.userId),
  ];
  expect(rig.log.text).toContain(late.requestId);
  for (const secret of secrets) expect(rig.log.text).not.toContain(secret);
});

it('tells that it is ready', async () => {
  expect((await fetch(`${rig.service.url}/health/ready`)).status).toBe(200);
});
