import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { delivered, failed } from '../attempt-result.ts';
import { deliveryMigrations } from '../migrations.ts';
import { planDeliveries } from '../plan-deliveries.ts';
import { buildCode, buildRequest, openDeliveryHarness } from '../testing/delivery-harness.ts';
import { createDeliveryStore } from './delivery-store.ts';

describe('delivery store', () => {
  it('delivery store: starts a job only once, in one of several processes', async () => {
    await using harness = await openDeliveryHarness({ started: false });
    const { database, jobs } = harness.engines;
    await database.migrate(deliveryMigrations);
    await jobs.declare({ name: 'delivery-attempt' });
    const store = createDeliveryStore({ database, jobs, schedule: [60_000], leaseMs: 60_000 });
    const request = buildRequest();
    const planned = planDeliveries({ type: 'voucher.received', value: buildCode(request) }, 'http://127.0.0.1:9/');
    const [recorded] = await store.record(planned, { begin: false });
    const { id, jobId } = recorded as { id: string; jobId: string };
    const begun = await Promise.all([store.begin(id, jobId), store.begin(id, jobId), store.begin(id, randomUUID())]);
    expect(begun.filter(Boolean)).toMatchObject([{ turn: 1, running: true }]);
  });

  it('delivery store: ignores the failure of an attempt whose lease has expired', async () => {
    await using harness = await openDeliveryHarness({ started: false });
    const { database, jobs } = harness.engines;
    await database.migrate(deliveryMigrations);
    await jobs.declare({ name: 'delivery-attempt' });
    const store = createDeliveryStore({ database, jobs, schedule: [60_000], leaseMs: 60_000 });
    const planned = planDeliveries(
      { type: 'voucher.received', value: buildCode(buildRequest()) },
      'http://127.0.0.1:9/',
    );
    const [first] = await store.record(planned, { begin: true });
    const { id: deliveryId, jobId } = first as { id: string; jobId: string };
    // The lease has expired, and another process continues.
    const second = await store.begin(deliveryId, jobId);
    expect(second).toMatchObject({ turn: 2 });
    const finished = { deliveryId, at: Date.now(), durationMs: 1 };
    const failure = failed('HTTP_ERROR', { status: 500 });
    const late = await store.settle({ ...finished, turn: 1, result: failure });
    expect(late).toMatchObject({ status: 'PENDING', running: true, turn: 2, failures: 0 });
    expect(await store.settle({ ...finished, turn: 2, result: delivered(200) })).toMatchObject({
      status: 'DELIVERED',
      jobId: null,
      nextAttemptAt: null,
    });
  });
});
