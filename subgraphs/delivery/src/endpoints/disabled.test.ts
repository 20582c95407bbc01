import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { buildRequest, openDeliveryHarness } from '../testing/delivery-harness.ts';

const environment = {
  CALLBACK_RETRY_SCHEDULE: Array(100).fill('50ms').join(),
  CALLBACK_BREAKER_FAILURES: '1000',
  ENDPOINT_DISABLE_AFTER: '400ms',
};

type Harness = Awaited<ReturnType<typeof openDeliveryHarness>>;

async function readEndpoints(harness: Harness, userId: string, as: string | undefined = userId) {
  const { data, errors } = await harness.entities(
    [{ __typename: 'User', id: userId }],
    `... on User { endpoints {
      origin url state failingSince disabledAt lastSuccessAt lastFailureAt notices { status url attempts { status } }
    } }`,
    as,
  );
  if (errors) throw new Error(JSON.stringify(errors));
  return (data?._entities as { endpoints: object[] | null }[])[0]?.endpoints;
}

async function callBack(harness: Harness, callbackUrl: string, userId: string) {
  const request = await harness.request({ callbackUrl, userId });
  await harness.receive(request);
  return request;
}

const read = async (harness: Harness, request: { requestId: string; userId: string }) => {
  const { data } = await harness.entities(
    [{ __typename: 'VoucherRequest', id: request.requestId }],
    '... on VoucherRequest { deliveries { id status error nextAttemptAt attempts { status } } }',
    request.userId,
  );
  return (data?._entities as { deliveries: { id: string; attempts: object[] }[] }[])[0]?.deliveries[0];
};

const enable = (harness: Harness, url: string, userId?: string) =>
  harness.post('mutation ($url: String!) { enableEndpoint(url: $url) { origin state disabledAt } }', { url }, userId);

/** Makes an endpoint fail until it is disabled. Returns the request whose delivery has failed. */
async function disable(harness: Harness, callbackUrl: string, userId: string) {
  const request = await callBack(harness, callbackUrl, userId);
  await expect
    .poll(() => read(harness, request), { timeout: 20_000 })
    .toMatchObject({ status: 'FAILED', error: 'ENDPOINT_DISABLED', nextAttemptAt: null });
  return request;
}

describe('disabled endpoint', () => {
  it('disabled endpoint: pending deliveries fail, and new ones without an attempt', async () => {
    await using harness = await openDeliveryHarness({ environment });
    await using receiver = await startReceiver({ answer: 500 });
    const { userId } = buildRequest();
    await disable(harness, receiver.url, userId);
    await harness.service[Symbol.asyncDispose]();
    await harness.start();
    const calls = receiver.calls.length;
    const later = await callBack(harness, receiver.url, userId);
    await expect
      .poll(() => read(harness, later))
      .toMatchObject({ status: 'FAILED', error: 'ENDPOINT_DISABLED', attempts: [] });
    expect(receiver.calls).toHaveLength(calls);
    expect(await readEndpoints(harness, userId)).toMatchObject([
      {
        origin: new URL(receiver.url).origin,
        url: receiver.url,
        state: 'DISABLED',
        failingSince: expect.any(String),
        disabledAt: expect.any(String),
        lastSuccessAt: null,
        notices: [],
      },
    ]);
    // For another user, the same origin is another endpoint.
    receiver.answer = 200;
    const other = await callBack(harness, receiver.url, buildRequest().userId);
    await expect.poll(() => read(harness, other)).toMatchObject({ status: 'DELIVERED', error: null });
  });

  it('disabled endpoint: its owner is told over the endpoints that work', async () => {
    await using harness = await openDeliveryHarness({ environment });
    await using receiver = await startReceiver({ answer: 500 });
    await using working = await startReceiver();
    const { userId } = buildRequest();
    await callBack(harness, working.url, userId);
    await working.next();
    await disable(harness, `${receiver.url}/path-secret?token=query-secret`, userId);
    const { body, headers, json } = await working.next();
    expect(json).toMatchObject({ type: 'endpoint.disabled', data: { origin: new URL(receiver.url).origin } });
    // Regression: the notice contained the failing URL. So one receiver learnt the secrets in the URL of another.
    expect(body).not.toContain('-secret');
    new Webhook(await harness.secret(userId)).verify(body, headers as Record<string, string>);
    await expect
      .poll(() => readEndpoints(harness, userId))
      .toMatchObject([
        { state: 'DISABLED', notices: [{ status: 'DELIVERED', url: working.url, attempts: [{ status: 200 }] }] },
        { state: 'ACTIVE', url: working.url, failingSince: null, lastSuccessAt: expect.any(String), notices: [] },
      ]);
  });

  it('disabled endpoint: deliveries are sent again only after its owner enables it', async () => {
    await using harness = await openDeliveryHarness({ environment });
    await using receiver = await startReceiver({ answer: 500 });
    const { userId } = buildRequest();
    const request = await disable(harness, receiver.url, userId);
    const deliveryId = (await read(harness, request))?.id;
    const redeliver = async () =>
      harness.post('mutation ($id: ID!) { redeliver(deliveryId: $id) { status error } }', { id: deliveryId }, userId);
    const recover = () =>
      harness.post(
        'mutation ($since: DateTime!) { recoverDeliveries(since: $since) { count } }',
        { since: '2026-01-01T00:00:00.000Z' },
        userId,
      );
    expect((await redeliver()).errors?.[0]?.extensions?.code).toBe('ENDPOINT_DISABLED');
    expect((await recover()).data?.recoverDeliveries).toEqual({ count: 0 });
    receiver.answer = 200;
    // An endpoint is enabled by any URL of its origin.
    expect((await enable(harness, receiver.url, userId)).data?.enableEndpoint).toEqual({
      origin: new URL(receiver.url).origin,
      state: 'ACTIVE',
      disabledAt: null,
    });
    expect((await recover()).data?.recoverDeliveries).toEqual({ count: 1 });
    await expect.poll(() => read(harness, request)).toMatchObject({ status: 'DELIVERED', error: null });
    await expect.poll(() => readEndpoints(harness, userId)).toMatchObject([{ state: 'ACTIVE' }]);
  });

  it('endpoints: are failing until a success', async () => {
    await using harness = await openDeliveryHarness({
      environment: { ...environment, CALLBACK_RETRY_SCHEDULE: '1h', ENDPOINT_DISABLE_AFTER: 'off' },
    });
    await using receiver = await startReceiver({ answer: 500 });
    const { userId } = buildRequest();
    await callBack(harness, receiver.url, userId);
    await expect
      .poll(() => readEndpoints(harness, userId))
      .toMatchObject([{ state: 'FAILING', failingSince: expect.any(String), lastFailureAt: expect.any(String) }]);
    receiver.answer = 200;
    await callBack(harness, receiver.url, userId);
    await expect.poll(() => readEndpoints(harness, userId)).toMatchObject([{ state: 'ACTIVE', failingSince: null }]);
  });

  it('endpoints: are visible to their owner only, who alone enables them', async () => {
    await using harness = await openDeliveryHarness();
    await using receiver = await startReceiver();
    const { userId } = buildRequest();
    const other = buildRequest().userId;
    await callBack(harness, receiver.url, userId);
    await expect.poll(() => readEndpoints(harness, userId)).toMatchObject([{ url: receiver.url }]);
    expect(await readEndpoints(harness, userId, other)).toBeNull();
    const codes = [];
    for (const [url, user] of [
      [receiver.url, other],
      ['https://unknown.example', userId],
      ['nonsense', userId],
      [receiver.url, undefined],
    ] as const)
      codes.push((await enable(harness, url, user)).errors?.[0]?.extensions?.code);
    expect(codes).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND', 'UNAUTHENTICATED']);
  });
});
