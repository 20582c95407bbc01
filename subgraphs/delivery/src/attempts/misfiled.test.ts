import { randomUUID } from 'node:crypto';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { eq } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { endpointOf } from '../endpoints/endpoint.ts';
import { delivery } from '../tables.ts';
import { openDeliveryHarness } from '../testing/delivery-harness.ts';

// Regression: callbacks that were stored by the previous version waited in the queue of SMS, and used up its capacity.
it('misfiled: callbacks of the previous version do not delay SMS', async () => {
  const sent: string[] = [];
  await using harness = await openDeliveryHarness({
    environment: { CALLBACK_CONCURRENCY_PER_ENDPOINT: '2' },
    smsSender: {
      async send({ phoneNumber }) {
        sent.push(phoneNumber);
        return { outcome: 'simulated' };
      },
    },
  });
  await using dead = await startReceiver();
  dead.answer = () => {};
  const { database } = harness.engines;
  const userId = randomUUID();
  await using receiver = await startReceiver({ answer: 204 });
  // Stores deliveries without an endpoint, as the previous version did.
  const old = (url: string) => ({
    id: randomUUID(),
    requestId: randomUUID(),
    userId,
    channel: 'CALLBACK' as const,
    url,
    body: '{}',
    status: 'PENDING' as const,
    createdAt: new Date(database.now()),
    nextAttemptAt: new Date(database.now()),
    turn: 0,
    running: false,
    failures: 0,
    round: 0,
  });
  await database.query.insert(delivery).values([...Array.from({ length: 20 }, () => old(dead.url)), old(receiver.url)]);
  await dead.next();
  const request = await harness.request();
  await harness.receive(request, { status: 'LATE_SUCCESS' });
  await expect.poll(() => sent, { timeout: 8_000 }).toEqual([request.phoneNumber]);
  await receiver.next();
  const queuesOf = async (url: string) => {
    const rows = await database.query.select().from(delivery).where(eq(delivery.url, url));
    return [...new Set(rows.map(({ endpointId }) => endpointId))];
  };
  await expect.poll(() => queuesOf(dead.url)).toEqual([endpointOf({ userId, url: dead.url }).id]);
});
