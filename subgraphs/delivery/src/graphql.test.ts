import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { afterAll, describe, expect, it } from 'vitest';
import { attempt } from './tables.ts';
import { buildCode, buildRequest, openDeliveryHarness } from './testing/delivery-harness.ts';

const harness = await openDeliveryHarness({ environment: { CALLBACK_RETRY_SCHEDULE: '1h' } });
afterAll(() => harness[Symbol.asyncDispose]());

describe('delivery service', () => {
  it('deliveries: are visible to their owner only', async () => {
    await using receiver = await startReceiver();
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

  it('attempts: are the last 10, or as many as requested, oldest first', async () => {
    await using receiver = await startReceiver();
    const request = await harness.request({ callbackUrl: receiver.url });
    await harness.receive(request);
    await expect.poll(async () => (await harness.deliveries(request))[0]?.attempts.length).toBe(1);
    const [{ id } = { id: '' }] = await harness.deliveries(request);
    const statuses = Array.from({ length: 12 }, (_, index) => 500 + index);
    await harness.engines.database.query
      .insert(attempt)
      .values(
        statuses.map((status, index) => ({ deliveryId: id, turn: index + 2, at: new Date(), durationMs: 1, status })),
      );
    const attempts = async (list: string) => {
      const references = [{ __typename: 'Delivery', id }];
      const selection = `... on Delivery { default: attempts { status } ${list} }`;
      const { data, errors } = await harness.entities(references, selection, request.userId);
      return { found: (data?._entities as Record<string, { status: number }[]>[] | undefined)?.[0], errors };
    };
    const { found } = await attempts('none: attempts(last: 0) { status } two: attempts(last: 2) { status }');
    const seen = Object.entries(found ?? {}).map(([name, list]) => [name, list.map(({ status }) => status)]);
    expect(Object.fromEntries(seen)).toEqual({ default: statuses.slice(2), none: [], two: [510, 511] });
    for (const last of [-1, 101]) {
      const { errors } = await attempts(`refused: attempts(last: ${last}) { status }`);
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', argument: 'last' } }]);
    }
  });

  it('log: contains no phone number, code, callbackUrl, secret or token', async () => {
    await using receiver = await startReceiver();
    const down = await startReceiver();
    await down[Symbol.asyncDispose]();
    const phone = { phoneNumber: '+84909555123' };
    const late = await harness.request({ ...phone, callbackUrl: receiver.url });
    const code = await harness.receive(late, { status: 'LATE_SUCCESS' });
    const unheard = await harness.request({ ...phone, callbackUrl: down.url });
    const unheardCode = await harness.receive(unheard);
    const refused = await harness.request({ ...phone, callbackUrl: 'http://receiver.invalid/secret-path' });
    await harness.receive(refused);
    for (const request of [late, unheard, refused]) {
      await expect
        .poll(async () => (await harness.deliveries(request)).map(({ attempts }) => attempts.length))
        .toEqual(request === late ? [1, 1] : [1]);
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
      await harness.signIn(late.userId),
    ];
    expect(harness.log.text).toContain(late.requestId);
    for (const secret of secrets) expect(harness.log.text).not.toContain(secret);
  });

  it('health: is ready', async () => {
    expect((await fetch(`${harness.service.url}/health/ready`)).status).toBe(200);
  });
});
