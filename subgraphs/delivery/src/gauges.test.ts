import { randomUUID } from 'node:crypto';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import type { Database } from '@voucher-gateway/platform/database';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { describe, expect, it } from 'vitest';
import { endpointId, smsEndpointId } from './endpoints/endpoint.ts';
import { createGauges } from './gauges.ts';
import { deliveryMigrations } from './migrations.ts';
import { delivery, endpoint } from './tables.ts';
import { openDeliveryHarness } from './testing/delivery-harness.ts';

const report = () => ({ running: 3, endpoints: 9, broken: 2, paused: 1 });
const samplesOf = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

async function setUp() {
  const clock = createTestClock();
  const engines = await openTestEngines({ migrations: [deliveryMigrations], clock });
  const { database } = engines;
  const at = (ms: number) => new Date(clock.now() + ms);
  return {
    clock,
    database,
    read: createGauges({ database, admission: { report }, clock, log: engines.log }),
    insert: (endpoints: readonly string[], dueInMs: number, status: 'PENDING' | 'DELIVERED' = 'PENDING') =>
      database.query.insert(delivery).values(
        endpoints.map((id) => ({
          id: randomUUID(),
          requestId: randomUUID(),
          userId: randomUUID(),
          channel: 'CALLBACK' as const,
          body: '{}',
          status,
          createdAt: at(0),
          nextAttemptAt: at(dueInMs),
          endpointId: id,
          turn: 0,
          running: false,
          failures: 0,
          round: 0,
        })),
      ),
    insertEndpoint: (values: Partial<typeof endpoint.$inferInsert>) =>
      database.query
        .insert(endpoint)
        .values({ id: randomUUID(), userId: randomUUID(), origin: '', url: '', usedAt: at(0), ...values }),
    [Symbol.asyncDispose]: () => engines[Symbol.asyncDispose](),
  };
}

describe('gauges', () => {
  it('gauges: show queues, the oldest due delivery, endpoints by state, and attempts', async () => {
    await using ctx = await setUp();
    const callback = endpointId(randomUUID(), 'https://one.example');
    await ctx.insert([callback, callback], -90_000);
    await ctx.insert([callback], 60_000);
    await ctx.insert([callback], -600_000, 'DELIVERED');
    await ctx.insert([smsEndpointId], 1_000);
    await ctx.insertEndpoint({});
    await ctx.insertEndpoint({ failingSince: new Date() });
    await ctx.insertEndpoint({ failingSince: new Date(), disabledAt: new Date() });
    const text = await ctx.read();
    expect(samplesOf(text)).toEqual([
      'delivery_attempts_in_progress 3',
      'delivery_endpoints_held_back{reason="breaker"} 2',
      'delivery_endpoints_held_back{reason="pause"} 1',
      'delivery_waiting{channel="callback"} 3',
      'delivery_waiting{channel="sms"} 1',
      'delivery_due{channel="callback"} 2',
      'delivery_due{channel="sms"} 0',
      'delivery_oldest_due_seconds{channel="callback"} 90',
      'delivery_oldest_due_seconds{channel="sms"} 0',
      'delivery_endpoints{state="active"} 1',
      'delivery_endpoints{state="failing"} 1',
      'delivery_endpoints{state="disabled"} 1',
    ]);
    expect(text).toContain('# TYPE delivery_waiting gauge\n');
  });

  it('gauges: are counted once per 10 s', async () => {
    await using ctx = await setUp();
    await ctx.read();
    await ctx.insert([smsEndpointId], 0);
    expect(await ctx.read()).toContain('delivery_waiting{channel="sms"} 0');
    ctx.clock.advance(10_000);
    expect(await ctx.read()).toContain('delivery_waiting{channel="sms"} 1');
  });

  it('gauges: show what is in progress while the database is away', async () => {
    const log = createMemoryLog();
    const execute = () => Promise.reject(new Error('the database is away'));
    const database = { now: () => 0, query: { execute } } as unknown as Database;
    const read = createGauges({ database, admission: { report }, clock: createTestClock(), log });
    expect(samplesOf(await read())).toHaveLength(3);
    expect(log.text).toContain('could not be counted');
  });

  // Regression: a scrape waited for the database's time-out, longer than Prometheus waits. Each scrape also started
  // another count.
  it('gauges: show what is in progress while the database is silent, and count once', async () => {
    const clock = createTestClock();
    const log = createMemoryLog();
    const counts: PromiseWithResolvers<{ rows: object[] }>[] = [];
    const execute = () => {
      counts.push(Promise.withResolvers());
      return counts.at(-1)?.promise;
    };
    const database = { now: () => 0, query: { execute } } as unknown as Database;
    const read = createGauges({ database, admission: { report }, clock, log });
    for (let scrape = 0; scrape < 3; scrape += 1) {
      const reading = read();
      clock.advance(15_000);
      expect(samplesOf(await reading)).toHaveLength(3);
    }
    expect(counts).toHaveLength(1);
    expect(log.text).toContain('were not counted in time');
    counts[0]?.reject(new Error('timed out'));
    await expect.poll(() => log.text).toContain('could not be counted');
    void read();
    expect(counts).toHaveLength(2);
  });

  it('/metrics: has the gauges as Prometheus reads them', async () => {
    await using harness = await openDeliveryHarness();
    await using receiver = await startReceiver({ answer: 'hang' });
    const request = await harness.request({ callbackUrl: receiver.url });
    await harness.receive(request);
    await receiver.next();
    const response = await fetch(`${harness.url}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(samplesOf(await response.text())).toEqual(
      expect.arrayContaining(['delivery_attempts_in_progress 1', 'delivery_waiting{channel="callback"} 0']),
    );
  });
});
