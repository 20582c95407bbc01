import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { describe, expect, it } from 'vitest';
import { deliveryMigrations } from '../migrations.ts';
import { planDeliveries } from '../plan-deliveries.ts';
import { buildCode, buildRequest, openDeliveryHarness } from '../testing/delivery-harness.ts';
import { createDeliveryStore } from './delivery-store.ts';

describe('restart', () => {
  it('restart: delivers after a process died before its attempt', async () => {
    await using harness = await openDeliveryHarness({ started: false });
    await using receiver = await startReceiver({ answer: 204 });
    const { database } = harness.engines;
    await database.migrate(deliveryMigrations);
    const request = buildRequest();
    const planned = planDeliveries({ type: 'voucher.received', value: buildCode(request) }, receiver.url);
    // Simulates a process that dies during an attempt: no result is stored, and the lease expires.
    const store = createDeliveryStore({ database, schedule: [1_000], leaseMs: 100 });
    await store.record(planned.map((plan) => ({ ...plan, begin: true })));
    await harness.start();
    expect((await receiver.next()).headers['webhook-id']).toBe(planned[0]?.id);
    await expect
      .poll(() => harness.deliveries(request))
      .toMatchObject([{ status: 'DELIVERED', attempts: [{ status: 204 }] }]);
  });

  it('restart: delivers what was waiting for a retry', async () => {
    await using harness = await openDeliveryHarness({ environment: { CALLBACK_RETRY_SCHEDULE: '500ms,500ms' } });
    await using receiver = await startReceiver();
    receiver.answer = 500;
    const request = await harness.request({ callbackUrl: receiver.url });
    await harness.receive(request);
    await expect.poll(async () => (await harness.deliveries(request))[0]?.attempts.length).toBe(1);
    await harness.service[Symbol.asyncDispose]();
    receiver.answer = 200;
    await harness.start();
    await expect.poll(async () => (await harness.deliveries(request))[0]?.status).toBe('DELIVERED');
  });

  it('stop: aborts an attempt without a response, and leaves it to its lease', async () => {
    await using harness = await openDeliveryHarness();
    await using receiver = await startReceiver();
    receiver.answer = () => {};
    const request = await harness.request({ callbackUrl: receiver.url });
    await harness.receive(request);
    await receiver.next();
    await harness.service[Symbol.asyncDispose]();
    await harness.start();
    expect(await harness.deliveries(request)).toMatchObject([
      { status: 'PENDING', nextAttemptAt: expect.any(String), attempts: [] },
    ]);
  });
});
