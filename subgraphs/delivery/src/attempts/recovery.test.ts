import { randomUUID } from 'node:crypto';
import { createTestClock, type TestClock } from '@voucher-gateway/platform/async/clock';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { indexScans } from '@voucher-gateway/platform/testing/index-scans';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { eq, sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { endpointOf } from '../endpoints/endpoint.ts';
import { deliveryMigrations } from '../migrations.ts';
import { delivery, recovery } from '../tables.ts';
import { openDeliveryHarness } from '../testing/delivery-harness.ts';
import { startRecoveries } from './recovery.ts';

const recoverDeliveries =
  'mutation ($since: DateTime!, $status: DeliveryStatus! = FAILED) { recoverDeliveries(since: $since, status: $status) { count message } }';
const start = Date.parse('2026-01-01T00:00:00.000Z');

describe('recoverDeliveries', () => {
  it('recoverDeliveries: sends failed ones again, with the same id and body', async () => {
    await using harness = await openDeliveryHarness();
    await using receiver = await startReceiver({ answer: 410 });
    const request = await harness.request({ callbackUrl: receiver.url });
    await harness.receive(request);
    const first = await receiver.next();
    await expect.poll(async () => (await harness.deliveries(request))[0]?.status).toBe('FAILED');
    receiver.answer = 200;
    const { data } = await harness.post(recoverDeliveries, { since: new Date(start) }, request.userId);
    expect(data?.recoverDeliveries).toEqual({ count: 1, message: expect.stringContaining('1 delivery is sent again') });
    const second = await receiver.next();
    expect([second.headers['webhook-id'], second.body]).toEqual([first.headers['webhook-id'], first.body]);
    await expect
      .poll(() => harness.deliveries(request))
      .toMatchObject([{ status: 'DELIVERED', attempts: [{ status: 410 }, { status: 200 }] }]);
  });

  it('recoverDeliveries: skips earlier deliveries, other users and other statuses', async () => {
    await using harness = await openDeliveryHarness();
    await using receiver = await startReceiver();
    const userId = randomUUID();
    const insert = (values: Partial<typeof delivery.$inferInsert>) =>
      insertDeliveries(harness, [{ userId, url: receiver.url, ...values }]);
    await insert({ createdAt: new Date(start - 1) });
    await insert({ userId: randomUUID() });
    await insert({ status: 'DELIVERED' });
    await insert({ status: 'PENDING', jobId: randomUUID() });
    const [expected] = await insert({ createdAt: new Date(start) });
    const { data } = await harness.post(recoverDeliveries, { since: new Date(start) }, userId);
    expect(data?.recoverDeliveries).toMatchObject({ count: 1 });
    expect((await receiver.next()).headers['webhook-id']).toBe(expected);
    await recovered(harness, 1);
    expect(receiver.calls).toHaveLength(1);
    expect((await harness.post(recoverDeliveries, { since: new Date(start) }, userId)).data?.recoverDeliveries).toEqual(
      {
        count: 0,
        message: 'No delivery has failed since then.',
      },
    );
  });

  it('recoverDeliveries: sends each delivery once, in batches, also if called twice', async () => {
    await using harness = await openDeliveryHarness();
    await using receiver = await startReceiver();
    const userId = randomUUID();
    const ids = await insertDeliveries(
      harness,
      Array.from({ length: 600 }, () => ({ userId, url: receiver.url })),
    );
    const counts: number[] = [];
    const scans = await indexScans(harness.engines.database, 'delivery', async () => {
      const answers = await Promise.all(
        [1, 2].map(() => harness.post(recoverDeliveries, { since: new Date(start) }, userId)),
      );
      counts.push(...answers.map(({ data }) => (data?.recoverDeliveries as { count: number }).count));
    });
    expect(scans).toContain('delivery_failed');
    expect(counts.sort((one, other) => one - other)).toEqual([350, 600]);
    await expect.poll(() => receiver.calls.length).toBeGreaterThanOrEqual(600);
    await recovered(harness, 600);
    expect(receiver.calls.map(({ headers }) => headers['webhook-id']).sort()).toEqual(ids.sort());
  });

  it('recoverDeliveries: does not restart what fails again at once', async () => {
    await using harness = await openDeliveryHarness();
    await using receiver = await startReceiver({ answer: 410 });
    const userId = randomUUID();
    await insertDeliveries(
      harness,
      Array.from({ length: 300 }, () => ({ userId, url: receiver.url })),
    );
    await harness.post(recoverDeliveries, { since: new Date(start) }, userId);
    await expect.poll(() => receiver.calls.length).toBeGreaterThanOrEqual(300);
    await recovered(harness, 300);
    expect(receiver.calls).toHaveLength(300);
  });

  // Regression: each call restarted separate batches. So several calls multiplied the number of restarts per second.
  it('recoverDeliveries: joins calls of a user to one recovery from the earliest time', async () => {
    await using engines = await openTestEngines({ migrations: [deliveryMigrations], clock: createTestClock(start) });
    const { database, clock } = engines as typeof engines & { clock: TestClock };
    await using recoveries = startRecoveries({ database, clock, log: silentLog });
    const userId = randomUUID();
    await insertDeliveries(
      { engines },
      Array.from({ length: 2_000 }, () => ({ userId, createdAt: new Date(start - 1_000) })),
    );
    const countPending = async () =>
      (await database.query.select({ id: delivery.id }).from(delivery).where(eq(delivery.status, 'PENDING'))).length;
    const counts = await Promise.all(
      [0, 1_000, 500].map((before) => recoveries.begin(userId, new Date(start - before))),
    );
    expect(counts).toEqual([0, 2_000, 0]);
    expect(await countPending()).toBe(500);
    for (const expected of [750, 1_000, 1_250, 1_500, 1_750, 2_000]) {
      clock.advance(1_000);
      await expect.poll(countPending).toBe(expected);
    }
    clock.advance(1_000);
    await expect.poll(() => database.query.select().from(recovery)).toEqual([]);
  });

  it('recoverDeliveries: rejects other statuses, and signed-out users', async () => {
    await using harness = await openDeliveryHarness();
    for (const status of ['PENDING', 'DELIVERED'])
      expect(
        (await harness.post(recoverDeliveries, { since: new Date(start), status }, randomUUID())).errors,
      ).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', argument: 'status' } }]);
    expect((await harness.post(recoverDeliveries, { since: new Date(start) })).errors).toMatchObject([
      { extensions: { code: 'UNAUTHENTICATED' } },
    ]);
  });

  it('recoverDeliveries: is limited per user', async () => {
    await using harness = await openDeliveryHarness({ environment: { LIMIT_RECOVERIES_PER_USER: '1/1h' } });
    const [one, other] = [randomUUID(), randomUUID()];
    const codes = [];
    for (const userId of [one, one, other])
      codes.push(
        (await harness.post(recoverDeliveries, { since: new Date(start) }, userId)).errors?.[0]?.extensions?.code,
      );
    expect(codes).toEqual([undefined, 'RATE_LIMITED', undefined]);
  });
});

type Harness = Awaited<ReturnType<typeof openDeliveryHarness>>;

/**
 * Stores failed callbacks without attempts, and returns their ids. The creation times begin at `start`, and are one
 * millisecond apart.
 */
async function insertDeliveries(
  { engines: { database } }: Pick<Harness, 'engines'>,
  rows: readonly Partial<typeof delivery.$inferInsert>[],
): Promise<string[]> {
  const stored = await database.query
    .insert(delivery)
    .values(
      rows.map((row, index) => ({
        id: randomUUID(),
        requestId: randomUUID(),
        endpointId: endpointOf({ userId: row.userId ?? '', url: row.url ?? null }).id,
        userId: randomUUID(),
        channel: 'CALLBACK' as const,
        body: '{}',
        status: 'FAILED' as const,
        createdAt: new Date(start + index),
        turn: 0,
        running: false,
        failures: 0,
        round: 0,
        ...row,
      })),
    )
    .returning({ id: delivery.id });
  return stored.map(({ id }) => id);
}

/** Resolves when `count` deliveries were attempted, and no recovery is in progress. */
async function recovered({ engines: { database } }: Harness, count: number): Promise<void> {
  await expect
    .poll(async () => {
      const { rows } = await database.query.execute(sql`
        select (select count(*)::int from ${delivery} where ${delivery.turn} = 1 and ${delivery.jobId} is null) as attempted,
          (select count(*)::int from ${recovery}) as recoveries`);
      return rows[0];
    })
    .toEqual({ attempted: count, recoveries: 0 });
}
