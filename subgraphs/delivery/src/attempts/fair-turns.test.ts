import { silentLog } from '@voucher-gateway/platform/process/log';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { expect, it } from 'vitest';
import { delivered } from '../attempt-result.ts';
import { createAdmission } from '../endpoints/admission.ts';
import { deliveryMigrations } from '../migrations.ts';
import { planDeliveries } from '../plan-deliveries.ts';
import { testLimits } from '../testing/admission-limits.ts';
import { buildCode, buildRequest } from '../testing/delivery-harness.ts';
import { startBacklog } from './backlog.ts';
import { createDeliveryStore } from './delivery-store.ts';
import { createDeliveryQueues } from './due-deliveries.ts';

// Regression: due deliveries were started in the order of their times. So 100,000 deliveries of one endpoint delayed
// all other endpoints.
it('fair turns: one of many endpoints is served although another one has a backlog', async () => {
  await using engines = await openTestEngines({ migrations: [deliveryMigrations] });
  const { database } = engines;
  const store = createDeliveryStore({ database, schedule: [60_000], leaseMs: 60_000 });
  const record = (count: number) => {
    const { userId } = buildRequest();
    const planned = Array.from({ length: count }, () =>
      planDeliveries({ type: 'voucher.received', value: buildCode(buildRequest({ userId })) }, 'https://shop.example/'),
    );
    return store.record(planned.flat().map((plan) => ({ ...plan, begin: false })));
  };
  const backlogged = (await record(2_000))[0]?.endpointId;
  const others = new Set<string>();
  for (let user = 0; user < 20; user += 1) others.add((await record(1))[0]?.endpointId ?? '');
  const started: string[] = [];
  const all = Promise.withResolvers<void>();
  await using _backlog = startBacklog({
    queues: createDeliveryQueues({ database, leaseMs: 60_000 }),
    // Only four attempts may be in progress, so that there is a backlog.
    admission: createAdmission({ limits: testLimits({ concurrency: 4 }), log: silentLog }),
    start({ endpointId }, permit) {
      started.push(endpointId);
      setImmediate(() => permit.release(delivered(200)));
      if (others.isSubsetOf(new Set(started))) all.resolve();
    },
    log: silentLog,
  });
  await all.promise;
  // When all 20 other endpoints had been served, the endpoint with the backlog had been served at most 40 times.
  expect(started.filter((endpointId) => endpointId === backlogged).length).toBeLessThanOrEqual(40);
});
