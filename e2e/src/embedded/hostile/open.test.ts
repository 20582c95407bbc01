import { findInternal } from '@voucher-gateway/platform/testing/internals';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCustomer } from '../../customer.ts';
import { describeAttacks } from './describe-attacks.ts';
import { introspection } from './documents.ts';
import { hostileReceivers, listen } from './receivers.ts';
import { startTarget, type Target } from './target.ts';

// As in development, with introspection. One customer requests many vouchers.
let target: Target;
beforeAll(async () => {
  target = await startTarget({ INTROSPECTION: 'true', RATE_LIMITS: 'off', CALLBACK_TIMEOUT: '3s' });
}, 180_000);
afterAll(() => target?.[Symbol.asyncDispose]());

describeAttacks([introspection], () => target);

describe('callback receiver', () => {
  const deliveries = 'query ($id: ID!) { voucherRequest(id: $id) { deliveries { status attempts { status error } } } }';

  it.each(hostileReceivers)('$name', async (hostile) => {
    await using receiver = await listen(hostile);
    await using customer = await startCustomer(target.system);
    const { id } = await customer.requestVoucher({ callbackUrl: receiver.url });
    const attempted = async () => (await customer.graphql(deliveries, { id })).voucherRequest.deliveries?.[0];
    await expect.poll(async () => (await attempted())?.attempts.length ?? 0).toBeGreaterThan(0);
    const [first] = (await attempted()).attempts;
    expect(findInternal(JSON.stringify(first))).toBeNull();
  });

  it('does not affect the process and its other clients', async () => {
    await target.expectUndisturbed();
    await target.expectDelivery();
  });
});

it('memory: stays bounded under all attacks', () => target.expectBoundedMemory());
