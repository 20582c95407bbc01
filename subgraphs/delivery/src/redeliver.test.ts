import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { afterAll, describe, expect, it } from 'vitest';
import { buildRequest, openDeliveryHarness } from './testing/delivery-harness.ts';

const harness = await openDeliveryHarness({ environment: { CALLBACK_RETRY_SCHEDULE: '1h' } });
afterAll(() => harness[Symbol.asyncDispose]());
const redeliver = (deliveryId: string | undefined, userId?: string) =>
  harness.post(
    'mutation ($deliveryId: ID!) { redeliver(deliveryId: $deliveryId) { id status nextAttemptAt attempts { status } } }',
    { deliveryId },
    userId,
  );
const delivered = async (request: { requestId: string; userId: string }, attempts: number) => {
  await expect
    .poll(async () => (await harness.deliveries(request)).map((one) => [one.status, one.attempts.length]))
    .toEqual([['DELIVERED', attempts]]);
};

describe('redeliver', () => {
  it('redeliver: sends the same id and body at once, and returns PENDING', async () => {
    await using receiver = await startReceiver();
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
    await using receiver = await startReceiver();
    receiver.answer = (response) => void response.writeHead(500).end();
    const request = await harness.request({ callbackUrl: receiver.url });
    await harness.receive(request);
    const { headers } = await receiver.next();
    await expect.poll(async () => (await harness.deliveries(request))[0]?.attempts.length).toBe(1);
    receiver.answer = (response) => void response.writeHead(200).end();
    await redeliver(headers['webhook-id'] as string, request.userId);
    await receiver.next();
    await delivered(request, 2);
  });

  it('redeliver: starts no second attempt beside one in progress', async () => {
    await using receiver = await startReceiver();
    const pending = Promise.withResolvers<() => void>();
    receiver.answer = (response) => pending.resolve(() => void response.writeHead(200).end());
    const request = await harness.request({ callbackUrl: receiver.url });
    await harness.receive(request);
    const { headers } = await receiver.next();
    const answers = await Promise.all([1, 2].map(() => redeliver(headers['webhook-id'] as string, request.userId)));
    expect(answers.map(({ data }) => data?.redeliver)).toMatchObject([{ status: 'PENDING' }, { status: 'PENDING' }]);
    (await pending.promise)();
    await delivered(request, 1);
    expect(receiver.calls).toHaveLength(1);
  });

  it('redeliver: rejects unknown and foreign deliveries, and signed-out users', async () => {
    await using receiver = await startReceiver();
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
});
