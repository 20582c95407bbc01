import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { embeddedDeadLetters } from '@voucher-gateway/platform/topics/dead-letter-reader';
import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
import { deliveryMigrations } from '../migrations.ts';
import { planDeliveries } from '../plan-deliveries.ts';
import { eventually } from '../testing/eventually.ts';
import { openReceiver } from '../testing/receiver.ts';
import { buildCode, buildRequest, openHarness } from '../testing/rig.ts';
import { createDeliveryStore } from './delivery-store.ts';

const quick = { CALLBACK_RETRY_SCHEDULE: '20ms,20ms,20ms' };
const refuse =
  (status: number, headers = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(status, headers).end();

it('retry: has the same id and body, and a new timestamp and signature', async () => {
  const clock = createTestClock();
  await using harness = await openHarness({ environment: quick, clock });
  await using receiver = await openReceiver();
  receiver.answer = (response) => {
    // Advance the clock, so that the next attempt has a later timestamp.
    clock.advance(2_000);
    receiver.answer = refuse(200);
    refuse(500)(response);
  };
  const request = await harness.request({ callbackUrl: receiver.url });
  await harness.receive(request);
  const first = await receiver.next();
  const second = await receiver.next();
  expect(second.body).toBe(first.body);
  expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
  expect(Number(second.headers['webhook-timestamp']) - Number(first.headers['webhook-timestamp'])).toBe(2);
  const webhook = new Webhook(await harness.secret(request.userId));
  for (const { body, headers } of [first, second]) webhook.verify(body, headers as Record<string, string>);
  await eventually(() => harness.deliveries(request)).toMatchObject([
    {
      status: 'DELIVERED',
      nextAttemptAt: null,
      attempts: [
        { status: 500, error: 'HTTP_ERROR' },
        { status: 200, error: null },
      ],
    },
  ]);
});

it('outcome: is sent to dead-letter if its request stays unknown', async () => {
  // Regression: it blocked all later outcomes of its phone number for good.
  await using harness = await openHarness({ limits: { parkAfterMs: 20 }, environment: { REQUEST_WAIT: '100ms' } });
  await using receiver = await openReceiver();
  const unknown = buildRequest();
  await harness.receive(unknown);
  const request = await harness.request({ callbackUrl: receiver.url, phoneNumber: unknown.phoneNumber });
  const { id } = await harness.receive(request);
  expect(JSON.parse((await receiver.next()).body)).toMatchObject({ data: { voucherId: id } });
  const letters: { headers: Readonly<Record<string, string>>; value: string }[] = [];
  await embeddedDeadLetters(harness.engines.database)((letter) => void letters.push(letter));
  expect(letters).toMatchObject([
    { headers: { 'dead-letter-error': 'REQUEST_NOT_SEEN_YET' }, value: expect.stringContaining(unknown.requestId) },
  ]);
});

it('retry: delivers once a receiver that was down is up', async () => {
  await using harness = await openHarness({
    // Enough retries for a slow machine to open the port again.
    environment: { CALLBACK_RETRY_SCHEDULE: Array(100).fill('20ms').join() },
  });
  const down = await openReceiver();
  await down[Symbol.asyncDispose]();
  const request = await harness.request({ callbackUrl: down.url });
  await harness.receive(request);
  await eventually(async () => (await harness.deliveries(request))[0]?.attempts[0]).toMatchObject({
    status: null,
    error: 'CONNECTION_REFUSED',
  });
  await using up = await openReceiver({ port: Number(new URL(down.url).port) });
  await up.next();
  await eventually(async () => (await harness.deliveries(request))[0]?.status).toBe('DELIVERED');
});

it('delivery: fails after the last retry, and at once after 410 Gone', async () => {
  await using harness = await openHarness({ environment: { CALLBACK_RETRY_SCHEDULE: '10ms,10ms' } });
  await using receiver = await openReceiver();
  receiver.answer = refuse(503);
  const request = await harness.request({ callbackUrl: receiver.url });
  await harness.receive(request);
  await eventually(async () => (await harness.deliveries(request))[0]?.status).toBe('FAILED');
  expect((await harness.deliveries(request))[0]).toMatchObject({ nextAttemptAt: null, attempts: [{}, {}, {}] });
  await using gone = await openReceiver();
  gone.answer = refuse(410);
  const other = await harness.request({ callbackUrl: gone.url });
  await harness.receive(other);
  await eventually(() => harness.deliveries(other)).toMatchObject([
    { status: 'FAILED', nextAttemptAt: null, attempts: [{ status: 410, error: 'HTTP_ERROR' }] },
  ]);
  expect(gone.received).toHaveLength(1);
});

it('retry: follows the schedule or Retry-After, whichever is later', async () => {
  const clock = createTestClock(Date.parse('2026-01-31T12:00:00Z'));
  await using harness = await openHarness({ clock });
  await using receiver = await openReceiver();
  for (const [headers, atLeast, atMost] of [
    [{}, 5_000, 6_000],
    [{ 'retry-after': '100' }, 100_000, 120_000],
    [{ 'retry-after': '1' }, 5_000, 6_000],
  ] as const) {
    receiver.answer = refuse(429, headers);
    const request = await harness.request({ callbackUrl: receiver.url });
    await harness.receive(request);
    await eventually(async () => (await harness.deliveries(request))[0]?.attempts.length).toBe(1);
    const waitMs = Date.parse((await harness.deliveries(request))[0]?.nextAttemptAt ?? '') - clock.now();
    expect(waitMs).toBeGreaterThanOrEqual(atLeast);
    expect(waitMs).toBeLessThanOrEqual(atMost);
  }
});

it('delivery: fails with ADDRESS_REFUSED for loopback in production', async () => {
  await using harness = await openHarness({ environment: { NODE_ENV: 'production' } });
  await using receiver = await openReceiver();
  const request = await harness.request({ callbackUrl: receiver.url });
  await harness.receive(request);
  await eventually(() => harness.deliveries(request)).toMatchObject([
    { status: 'PENDING', attempts: [{ status: null, error: 'ADDRESS_REFUSED' }] },
  ]);
  expect(receiver.received).toEqual([]);
});

it('SMS: is retried with the same idempotency key', async () => {
  const keys: string[] = [];
  const smsSender = {
    send: async ({ idempotencyKey }: { idempotencyKey: string }) => {
      keys.push(idempotencyKey);
      if (keys.length === 1) throw new Error('the provider is unavailable');
    },
  };
  await using harness = await openHarness({ environment: quick, smsSender });
  const request = await harness.request();
  await harness.receive(request, { status: 'LATE_SUCCESS' });
  await eventually(() => harness.deliveries(request)).toMatchObject([
    { channel: 'SMS', status: 'DELIVERED', attempts: [{ status: null, error: 'SMS_FAILED' }, { error: null }] },
  ]);
  expect(new Set(keys).size).toBe(1);
});

it('restart: delivers after a process died before its attempt', async () => {
  await using harness = await openHarness({ started: false });
  await using receiver = await openReceiver();
  const { database, jobs } = harness.engines;
  await database.migrate(deliveryMigrations);
  await jobs.declare({ name: 'delivery-attempt' });
  const request = buildRequest();
  const planned = planDeliveries({ type: 'voucher.received', value: buildCode(request) }, receiver.url);
  // The process dies here: its attempt is never settled, and the lease expires.
  await createDeliveryStore({ database, jobs, schedule: [1_000], leaseMs: 100 }).record(planned, { begin: true });
  await harness.start();
  expect((await receiver.next()).headers['webhook-id']).toBe(planned[0]?.id);
  await eventually(() => harness.deliveries(request)).toMatchObject([
    { status: 'DELIVERED', attempts: [{ status: 204 }] },
  ]);
});

it('restart: delivers what was waiting for a retry', async () => {
  await using harness = await openHarness({ environment: { CALLBACK_RETRY_SCHEDULE: '500ms,500ms' } });
  await using receiver = await openReceiver();
  receiver.answer = refuse(500);
  const request = await harness.request({ callbackUrl: receiver.url });
  await harness.receive(request);
  await eventually(async () => (await harness.deliveries(request))[0]?.attempts.length).toBe(1);
  await harness.service[Symbol.asyncDispose]();
  receiver.answer = refuse(200);
  await harness.start();
  await eventually(async () => (await harness.deliveries(request))[0]?.status).toBe('DELIVERED');
});

it('stop: aborts an attempt without a response, and leaves it to its job', async () => {
  await using harness = await openHarness();
  await using receiver = await openReceiver();
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

it('delivery store: starts a job only once, in one of several processes', async () => {
  await using harness = await openHarness({ started: false });
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
  await using harness = await openHarness({ started: false });
  const { database, jobs } = harness.engines;
  await database.migrate(deliveryMigrations);
  await jobs.declare({ name: 'delivery-attempt' });
  const store = createDeliveryStore({ database, jobs, schedule: [60_000], leaseMs: 60_000 });
  const planned = planDeliveries({ type: 'voucher.received', value: buildCode(buildRequest()) }, 'http://127.0.0.1:9/');
  const [first] = await store.record(planned, { begin: true });
  const { id: deliveryId, jobId } = first as { id: string; jobId: string };
  // The lease has expired, and another process continues.
  const second = await store.begin(deliveryId, jobId);
  expect(second).toMatchObject({ turn: 2 });
  const finished = { deliveryId, at: Date.now(), durationMs: 1 };
  const failure = { outcome: 'failed', status: 500, error: 'HTTP_ERROR', retryAfterMs: null, final: false } as const;
  const late = await store.settle({ ...finished, turn: 1, result: failure });
  expect(late).toMatchObject({ status: 'PENDING', running: true, turn: 2, failures: 0 });
  expect(await store.settle({ ...finished, turn: 2, result: { outcome: 'delivered', status: 200 } })).toMatchObject({
    status: 'DELIVERED',
    jobId: null,
    nextAttemptAt: null,
  });
});
