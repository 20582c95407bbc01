import { hostileReceivers, listen } from '@voucher-gateway/platform/testing/hostile/hostile-receivers';
import { findInternal } from '@voucher-gateway/platform/testing/internals';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { type Customer, startCustomer } from '../../customer.ts';
import { describeAttacks } from './describe-attacks.ts';
import { introspection } from './documents.ts';
import { startTarget, type Target } from './target.ts';

// The system allows introspection, as in development. Rate limits are off, because one customer requests many vouchers.
let target: Target;
let customer: Customer;
beforeAll(async () => {
  target = await startTarget({ INTROSPECTION: 'true', RATE_LIMITS: 'off', CALLBACK_TIMEOUT: '1s' });
  customer = await startCustomer(target.system);
});
afterAll(async () => {
  await customer?.[Symbol.asyncDispose]();
  await target?.[Symbol.asyncDispose]();
});

describeAttacks([introspection], () => target);

describe('callback receiver', () => {
  const deliveries = 'query ($id: ID!) { voucherRequest(id: $id) { deliveries { status attempts { status error } } } }';

  describe.concurrent('is one that', () => {
    it.for(hostileReceivers)('$name', async (hostile, { expect }) => {
      await using receiver = await listen(hostile);
      await customer.instructProvider({ delayMs: 0 });
      const { id } = await customer.requestVoucher({ callbackUrl: receiver.url });
      const attempted = async () => (await customer.graphql(deliveries, { id })).voucherRequest.deliveries?.[0];
      await expect.poll(async () => (await attempted())?.attempts.length ?? 0, { interval: 100 }).toBeGreaterThan(0);
      const [first] = (await attempted()).attempts;
      expect(findInternal(JSON.stringify(first))).toBeNull();
    });
  });

  it('does not affect the process and its other clients', async () => {
    await target.expectUndisturbed();
    await target.expectDelivery();
  });
});

it('memory: stays bounded under all attacks', () => target.expectBoundedMemory());
