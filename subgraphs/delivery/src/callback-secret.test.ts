import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { Webhook } from 'standardwebhooks';
import { afterAll, describe, expect, it } from 'vitest';
import { buildRequest, openDeliveryHarness } from './testing/delivery-harness.ts';

const harness = await openDeliveryHarness({ environment: { CALLBACK_RETRY_SCHEDULE: '1h' } });
afterAll(() => harness[Symbol.asyncDispose]());
const rotate = async (userId: string) =>
  (await harness.post('mutation { rotateCallbackSecret }', {}, userId)).data?.rotateCallbackSecret as string;

describe('callbackSecret', () => {
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
    await using receiver = await startReceiver();
    const request = await harness.request({ callbackUrl: receiver.url });
    const old = await harness.secret(request.userId);
    const current = await rotate(request.userId);
    expect([await harness.secret(request.userId), current === old]).toEqual([current, false]);
    await harness.receive(request);
    const { headers, body } = await receiver.next();
    expect(headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+ v1a,\S+$/);
    for (const secret of [current, old]) new Webhook(secret).verify(body, headers as Record<string, string>);
  });
});
