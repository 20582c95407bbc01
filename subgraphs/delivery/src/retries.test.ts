import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { createTestClock } from '@voucher-gateway/platform/clock';
import { embeddedDeadLetters } from '@voucher-gateway/platform/topics/dead-letter-reader';
import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
import { createDeliveryStore } from './delivery-store.ts';
import { deliveryMigrations } from './migrations.ts';
import { planDeliveries } from './plan.ts';
import { eventually } from './testing/eventually.ts';
import { openReceiver } from './testing/receiver.ts';
import { aCode, aRequest, openRig } from './testing/rig.ts';

const quick = { CALLBACK_RETRY_SCHEDULE: '20ms,20ms,20ms' };
const refuse =
  (status: number, headers = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(status, headers).end();

it('tries again with the same id and body, a new timestamp and a signature that is right each time', async () => {
  const clock = createTestClock();
  await using rig = await openRig({ environment: quick, clock });
  await using receiver = await openReceiver();
  receiver.answer = (response) => {
    // Time passes while it answers: whenever the next attempt comes, it comes two seconds later.
    clock.advance(2_000);
    receiver.answer = refuse(200);
    refuse(500)(response);
  };
  const request = await rig.request({ callbackUrl: receiver.url });
  await rig.receive(request);
  const first = await receiver.next();
  const second = await receiver.next();
  expect(second.body).toBe(first.body);
  expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
  expect(Number(second.headers['webhook-timestamp']) - Number(first.headers['webhook-timestamp'])).toBe(2);
  const webhook = new Webhook(await rig.secret(request.userId));
  for (const { body, headers } of [first, second]) webhook.verify(body, headers as Record<string, string>);
  await eventually(() => rig.deliveries(request)).toMatchObject([
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

// It held up all later outcomes of its phone number, for good.
it('lets later outcomes of a phone number go on past one whose request stays unknown', async () => {
  await using rig = await openRig({ limits: { parkAfterMs: 20 }, environment: { REQUEST_WAIT: '100ms' } });
  await using receiver = await openReceiver();
  const unknown = aRequest();
  await rig.receive(unknown);
  const request = await rig.request({ callbackUrl: receiver.url, phoneNumber: unknown.phoneNumber });
  const { id } = await rig.receive(request);
  expect(JSON.parse((await receiver.next()).body)).toMatchObject({ data: { voucherId: id } });
  const letters: { headers: Readonly<Record<string, string>>; value: string }[] = [];
  await embeddedDeadLetters(rig.engines.database)((letter) => void letters.push(letter));
  expect(letters).toMatchObject([
    { headers: { 'dead-letter-error': 'REQUEST_NOT_MET' }, value: expect.stringContaining(unknown.requestId) },
  ]);
});

it('delivers to a receiver that was down once it is up', async () => {
  await using rig = await openRig({ environment: { CALLBACK_RETRY_SCHEDULE: '20ms,20ms,20ms,20ms,20ms,20ms' } });
  const down = await openReceiver();
  await down[Symbol.asyncDispose]();
  const request = await rig.request({ callbackUrl: down.url });
  await rig.receive(request);
  await eventually(async () => (await rig.deliveries(request))[0]?.attempts).toMatchObject([
    { status: null, error: 'CONNECTION_REFUSED' },
  ]);
  await using up = await openReceiver({ port: Number(new URL(down.url).port) });
  await up.next();
  await eventually(async () => (await rig.deliveries(request))[0]?.status).toBe('DELIVERED');
});

it('gives up after the last entry of the schedule, and at once at 410 Gone', async () => {
  await using rig = await openRig({ environment: { CALLBACK_RETRY_SCHEDULE: '10ms,10ms' } });
  await using receiver = await openReceiver();
  receiver.answer = refuse(503);
  const request = await rig.request({ callbackUrl: receiver.url });
  await rig.receive(request);
  await eventually(async () => (await rig.deliveries(request))[0]?.status).toBe('FAILED');
  expect((await rig.deliveries(request))[0]).toMatchObject({ nextAttemptAt: null, attempts: [{}, {}, {}] });
  await using gone = await openReceiver();
  gone.answer = refuse(410);
  const other = await rig.request({ callbackUrl: gone.url });
  await rig.receive(other);
  await eventually(() => rig.deliveries(other)).toMatchObject([
    { status: 'FAILED', nextAttemptAt: null, attempts: [{ status: 410, error: 'HTTP_ERROR' }] },
  ]);
  expect(gone.received).toHaveLength(1);
});

it('tries again by the schedule, or when the receiver asks, whichever is later', async () => {
  const clock = createTestClock(Date.parse('2026-01-31T12:00:00Z'));
  await using rig = await openRig({ clock });
  await using receiver = await openReceiver();
  for (const [headers, atLeast, atMost] of [
    [{}, 5_000, 6_000],
    [{ 'retry-after': '100' }, 100_000, 120_000],
    [{ 'retry-after': '1' }, 5_000, 6_000],
  ] as const) {
    receiver.answer = refuse(429, headers);
    const request = await rig.request({ callbackUrl: receiver.url });
    await rig.receive(request);
    await eventually(async () => (await rig.deliveries(request))[0]?.attempts.length).toBe(1);
    const waitMs = Date.parse((await rig.deliveries(request))[0]?.nextAttemptAt ?? '') - clock.now();
    expect(waitMs).toBeGreaterThanOrEqual(atLeast);
    expect(waitMs).toBeLessThanOrEqual(atMost);
  }
});

it('refuses loopback in production, as an attempt that says so', async () => {
  await using rig = await openRig({ environment: { NODE_ENV: 'production' } });
  await using receiver = await openReceiver();
  const request = await rig.request({ callbackUrl: receiver.url });
  await rig.receive(request);
  await eventually(() => rig.deliveries(request)).toMatchObject([
    { status: 'PENDING', attempts: [{ status: null, error: 'ADDRESS_REFUSED' }] },
  ]);
  expect(receiver.received).toEqual([]);
});

it('tries an SMS again, with the same idempotency key, where the provider did not take it', async () => {
  const keys: string[] = [];
  const smsSender = {
    send: async ({ idempotencyKey }: { idempotencyKey: string }) => {
      keys.push(idempotencyKey);
      if (keys.length === 1) throw new Error('the provider is away');
    },
  };
  await using rig = await openRig({ environment: quick, smsSender });
  const request = await rig.request();
  await rig.receive(request, { status: 'LATE_SUCCESS' });
  await eventually(() => rig.deliveries(request)).toMatchObject([
    { channel: 'SMS', status: 'DELIVERED', attempts: [{ status: null, error: 'SMS_FAILED' }, { error: null }] },
  ]);
  expect(new Set(keys).size).toBe(1);
});

it('delivers what was stored by a process that died before its attempt', async () => {
  await using rig = await openRig({ started: false });
  await using receiver = await openReceiver();
  const { database, jobs } = rig.engines;
  await database.migrate(deliveryMigrations);
  await jobs.declare({ name: 'delivery-attempt' });
  const request = aRequest();
  const planned = planDeliveries({ type: 'voucher.received', value: aCode(request) }, receiver.url);
  // The process dies here: what it began is never settled, and its lease runs out.
  await createDeliveryStore({ database, jobs, schedule: [1_000], leaseMs: 100 }).record(planned, { begin: true });
  await rig.start();
  expect((await receiver.next()).headers['webhook-id']).toBe(planned[0]?.id);
  await eventually(() => rig.deliveries(request)).toMatchObject([{ status: 'DELIVERED', attempts: [{ status: 204 }] }]);
});

it('delivers after a restart what was waiting for its next attempt', async () => {
  await using rig = await openRig({ environment: { CALLBACK_RETRY_SCHEDULE: '500ms,500ms' } });
  await using receiver = await openReceiver();
  receiver.answer = refuse(500);
  const request = await rig.request({ callbackUrl: receiver.url });
  await rig.receive(request);
  await eventually(async () => (await rig.deliveries(request))[0]?.attempts.length).toBe(1);
  await rig.service[Symbol.asyncDispose]();
  receiver.answer = refuse(200);
  await rig.start();
  await eventually(async () => (await rig.deliveries(request))[0]?.status).toBe('DELIVERED');
});

it('stops without waiting for a receiver that hangs, and leaves the attempt to its job', async () => {
  await using rig = await openRig();
  await using receiver = await openReceiver();
  receiver.answer = () => {};
  const request = await rig.request({ callbackUrl: receiver.url });
  await rig.receive(request);
  await receiver.next();
  await rig.service[Symbol.asyncDispose]();
  await rig.start();
  expect(await rig.deliveries(request)).toMatchObject([
    { status: 'PENDING', nextAttemptAt: expect.any(String), attempts: [] },
  ]);
});

it('lets one of several processes make an attempt, however often its job comes', async () => {
  await using rig = await openRig({ started: false });
  const { database, jobs } = rig.engines;
  await database.migrate(deliveryMigrations);
  await jobs.declare({ name: 'delivery-attempt' });
  const store = createDeliveryStore({ database, jobs, schedule: [60_000], leaseMs: 60_000 });
  const request = aRequest();
  const planned = planDeliveries({ type: 'voucher.received', value: aCode(request) }, 'http://127.0.0.1:9/');
  const [recorded] = await store.record(planned, { begin: false });
  const { id, jobId } = recorded as { id: string; jobId: string };
  const begun = await Promise.all([store.begin(id, jobId), store.begin(id, jobId), store.begin(id, randomUUID())]);
  expect(begun.filter(Boolean)).toMatchObject([{ turn: 1, running: true }]);
});

it('keeps a delivery delivered when a slower attempt fails or succeeds afterwards', async () => {
  await using rig = await openRig({ started: false });
  const { database, jobs } = rig.engines;
  await database.migrate(deliveryMigrations);
  await jobs.declare({ name: 'delivery-attempt' });
  const store = createDeliveryStore({ database, jobs, schedule: [60_000], leaseMs: 60_000 });
  const planned = planDeliveries({ type: 'voucher.received', value: aCode(aRequest()) }, 'http://127.0.0.1:9/');
  const [first] = await store.record(planned, { begin: true });
  const { id: deliveryId, jobId } = first as { id: string; jobId: string };
  // Its lease ran out, and another process took over.
  const second = await store.begin(deliveryId, jobId);
  expect(second).toMatchObject({ turn: 2 });
  const made = { deliveryId, at: Date.now(), durationMs: 1 };
  const failure = { outcome: 'failed', status: 500, error: 'HTTP_ERROR', retryAfterMs: null, final: false } as const;
  const late = await store.settle({ ...made, turn: 1, result: failure });
  expect(late).toMatchObject({ status: 'PENDING', running: true, turn: 2, failures: 0 });
  expect(await store.settle({ ...made, turn: 2, result: { outcome: 'delivered', status: 200 } })).toMatchObject({
    status: 'DELIVERED',
    jobId: null,
    nextAttemptAt: null,
  });
});
