import { randomUUID } from 'node:crypto';
import { createTestClock, systemClock } from '@voucher-gateway/platform/async/clock';
import { readConfig } from '@voucher-gateway/platform/process/config';
import { openTestEnginesWithJobs } from '@voucher-gateway/platform/testing/engines';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import {
  type ReceiveCode,
  type RequestCode,
  type RequestFailed,
  topics as schemaTopics,
} from '@voucher-gateway/schema/topics';
import { challengeOf, responsePath } from '@voucher-gateway/schema/vps-protocol';
import { createVpsMock, type VpsMockOptions } from '@voucher-gateway/vps-mock/server';
import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { askAgain } from './ask-again.ts';
import { integrationSettings } from './config.ts';
import { createVoucherIntegration } from './server.ts';

const quick = { VPS_RETRY_BASE: '20ms', VPS_RETRY_MAX: '50ms', VPS_SILENCE_AFTER: '50ms' };

async function setUp({
  settings = {},
  provider = {},
  frozen = false,
}: {
  settings?: Record<string, string>;
  provider?: VpsMockOptions;
  frozen?: boolean;
} = {}) {
  const resources = new AsyncDisposableStack();
  const testClock = createTestClock();
  const clock = frozen ? testClock : systemClock;
  const log = createMemoryLog();
  const engines = resources.use(await openTestEnginesWithJobs({ clock, log }));
  const vps = resources.use(await createVpsMock({ clock, profile: 'fast', ...provider }));
  const config = readConfig(integrationSettings, { PORT: '0', VPS_URL: vps.url, ...quick, ...settings });
  let service = await createVoucherIntegration({ ...engines, clock, log, config });
  resources.defer(() => service[Symbol.asyncDispose]());
  const outcomes: (ReceiveCode | RequestFailed)[] = [];
  let notify = () => {};
  const onMessage = ({ value }: { value: ReceiveCode | RequestFailed }) => {
    outcomes.push(value);
    notify();
  };
  resources.use(await engines.topics.tail({ topic: schemaTopics.receiveCode, from: 'now', onMessage }));
  resources.use(await engines.topics.tail({ topic: schemaTopics.requestFailed, from: 'now', onMessage }));
  return {
    clock: testClock,
    vps,
    engines,
    log,
    outcomes,
    get service() {
      return service;
    },
    async publish(over: Partial<RequestCode> = {}): Promise<RequestCode> {
      const message = {
        requestId: randomUUID(),
        userId: randomUUID(),
        phoneNumber: '+84909123456',
        callbackUrl: null,
        requestedAt: new Date(clock.now()).toISOString(),
        ...over,
      };
      await engines.database.transaction((tx) => engines.topics.publish(tx, schemaTopics.requestCode, message));
      return message;
    },
    /** Waits for `count` outcomes, and returns them. */
    async outcome(count = 1) {
      while (outcomes.length < count) {
        await new Promise<void>((resolve) => {
          notify = resolve;
        });
      }
      return outcomes;
    },
    async callback(requestId: string | null, body: object) {
      const response = await fetch(
        `${service.url}${responsePath}${requestId === null ? '' : `?request=${requestId}`}`,
        {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ status: 'SUCCESS', voucherCode: 'CODE-1', message: 'ready', ...body }),
        },
      );
      return { ...((await response.json()) as { code?: string }), status: response.status };
    },
    async restart() {
      await service[Symbol.asyncDispose]();
      service = await createVoucherIntegration({ ...engines, clock, log, config });
    },
    /** Number of jobs that retry requests, including completed ones. */
    askAgainJobs: async () =>
      (await engines.database.query.execute(sql`select * from pgboss.job where name = ${askAgain.name}`)).rows.length,
    row: async (requestId: string) =>
      (await engines.database.query.execute(sql`select * from provider_request where request_id = ${requestId}`))
        .rows[0],
    /** Waits until the provider's acknowledgement is stored. */
    acknowledged: (requestId: string) =>
      expect
        .poll(
          async () =>
            (
              await engines.database.query.execute(
                sql`select 1 from provider_request where request_id = ${requestId} and challenges <> '[]'`,
              )
            ).rows.length,
          { timeout: 10_000 },
        )
        .toBe(1),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
const verifierA = 'a'.repeat(43);
const verifierB = 'b'.repeat(43);

/** Starts a provider with custom answers, for cases that the simulator does not have. */
async function startProvider(answer: (key: string) => Promise<object> | object) {
  const { fastify } = await import('fastify');
  const app = fastify({ forceCloseConnections: true });
  app.post('/api/request/voucher', (request) => answer(String(request.headers['idempotency-key'])));
  const url = await app.listen({ port: 0 });
  return { url: url.replace('[::1]', '127.0.0.1'), [Symbol.asyncDispose]: () => app.close() };
}

it('code: is published if it arrives within three seconds', async () => {
  await using ctx = await setUp();
  const { requestId, userId, requestedAt } = await ctx.publish();
  expect(await ctx.outcome()).toEqual([
    {
      id: expect.any(String),
      requestId,
      code: expect.stringMatching(/^VC-/),
      phoneNumber: '+84909123456',
      status: 'SUCCESS',
      requestedAt,
      receivedAt: expect.any(String),
      owner: { id: userId },
    },
  ]);
  expect(ctx.vps.requests).toMatchObject([{ key: requestId }]);
});

it('code: is published if it arrives by a verified callback', async () => {
  await using ctx = await setUp({ frozen: true });
  ctx.vps.next({ delayMs: 10_000 });
  const { requestId } = await ctx.publish();
  await ctx.vps.whenAsked(1);
  ctx.clock.advance(3_000);
  await ctx.acknowledged(requestId);
  ctx.clock.advance(7_000);
  expect(await ctx.outcome()).toMatchObject([{ requestId, status: 'SUCCESS' }]);
});

it('code: is late by our clock, even if the provider does not report it as late', async () => {
  await using ctx = await setUp({ frozen: true });
  ctx.vps.next({ delayMs: 0 });
  await ctx.publish({ requestedAt: new Date(ctx.clock.now() - 30_001).toISOString() });
  await ctx.vps.whenAsked(1);
  ctx.clock.advance(0);
  expect(await ctx.outcome()).toMatchObject([{ status: 'LATE_SUCCESS' }]);
});

it('code: is late if the provider reports it as late, even if our clock disagrees', async () => {
  await using provider = await startProvider(() => ({
    codeChallenge: challengeOf(verifierA),
    transformMethod: 'S256',
  }));
  await using ctx = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const { requestId } = await ctx.publish();
  await ctx.acknowledged(requestId);
  expect(await ctx.callback(requestId, { codeVerifier: verifierA, status: 'LATE_SUCCESS' })).toMatchObject({
    status: 200,
  });
  expect(await ctx.outcome()).toMatchObject([{ status: 'LATE_SUCCESS' }]);
});

it('callback: gets the response of the protocol for each case', async () => {
  await using provider = await startProvider(() => ({
    codeChallenge: challengeOf(verifierA),
    transformMethod: 'S256',
  }));
  await using ctx = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const { requestId } = await ctx.publish();
  await ctx.acknowledged(requestId);
  expect(await ctx.callback(randomUUID(), { codeVerifier: verifierA })).toMatchObject({
    status: 404,
    code: 'NOT_FOUND',
  });
  expect(await ctx.callback('nonsense', { codeVerifier: verifierA })).toMatchObject({ status: 404 });
  const before = await ctx.row(requestId);
  expect(await ctx.callback(requestId, { codeVerifier: verifierB })).toMatchObject({ status: 403, code: 'FORBIDDEN' });
  expect(await ctx.row(requestId)).toEqual(before);
  expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
  expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
  expect(await ctx.callback(requestId, { codeVerifier: verifierA, voucherCode: 'CODE-2' })).toMatchObject({
    status: 409,
    code: 'VOUCHER_CODE_CONFLICT',
  });
  expect(await ctx.callback(requestId, { codeVerifier: verifierB, voucherCode: 'CODE-1' })).toMatchObject({
    status: 403,
  });
  expect(await ctx.outcome()).toMatchObject([{ code: 'CODE-1' }]);
});

it('callback: is matched by its challenge, and rejected for another request', async () => {
  const verifiers = new Map<string, string>();
  await using provider = await startProvider((key) => ({
    codeChallenge: challengeOf(verifiers.get(key) ?? ''),
    transformMethod: 'S256',
  }));
  await using ctx = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const [a, b] = [randomUUID(), randomUUID()];
  verifiers.set(a, verifierA).set(b, verifierB);
  await ctx.publish({ requestId: a });
  await ctx.publish({ requestId: b });
  await ctx.acknowledged(a);
  await ctx.acknowledged(b);
  expect(await ctx.callback(a, { codeVerifier: verifierB })).toMatchObject({ status: 403 });
  expect(await ctx.callback(null, { codeVerifier: verifierB, voucherCode: 'CODE-B' })).toMatchObject({ status: 200 });
  expect(await ctx.callback(null, { codeVerifier: 'c'.repeat(43) })).toMatchObject({ status: 404 });
  expect(await ctx.outcome()).toMatchObject([{ requestId: b, code: 'CODE-B' }]);
});

it('callback: is rejected if it names no request and several have its challenge', async () => {
  // Regression: it settled any one of them.
  await using provider = await startProvider(() => ({
    codeChallenge: challengeOf(verifierA),
    transformMethod: 'S256',
  }));
  await using ctx = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const [a, b] = [await ctx.publish(), await ctx.publish()];
  for (const { requestId } of [a, b]) await ctx.acknowledged(requestId);
  const callback = { codeVerifier: verifierA, voucherCode: 'CODE-B' };
  expect(await ctx.callback(null, callback)).toMatchObject({ status: 400 });
  expect(await ctx.callback(b.requestId, callback)).toMatchObject({ status: 200 });
  expect(await ctx.outcome()).toMatchObject([{ requestId: b.requestId, code: 'CODE-B' }]);
});

it('callback: becomes the unclaimed code if its request fails while it is held', async () => {
  // Regression: it was dropped, although the provider had got a 202.
  const requested = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  await using provider = await startProvider(async () => {
    requested.resolve();
    await held.promise;
    throw Object.assign(new Error('refused'), { statusCode: 422 });
  });
  await using ctx = await setUp({ settings: { VPS_URL: provider.url } });
  const { requestId } = await ctx.publish();
  await requested.promise;
  expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 202 });
  held.resolve();
  expect(await ctx.outcome()).toMatchObject([{ requestId, reason: 'PROVIDER_REFUSED' }]);
  expect(await ctx.row(requestId)).toMatchObject({ held: [], unclaimed_code: 'CODE-1' });
  expect(ctx.service.unclaimed).toBe(1);
  expect(alarms(ctx.log)).toMatchObject([{ requestId }]);
});

it('request: is the same in whatever case its id is written', async () => {
  // Regression: its row was not found, so every attempt failed, and published the outcome again.
  await using ctx = await setUp();
  const message = await ctx.publish();
  await ctx.outcome();
  await ctx.publish({ ...message, requestId: message.requestId.toUpperCase() });
  const other = await ctx.publish({ requestId: randomUUID().toUpperCase() });
  const outcomes = await ctx.outcome(3);
  expect(outcomes.map(({ requestId }) => requestId).toSorted()).toEqual(
    [message.requestId, message.requestId, other.requestId.toLowerCase()].toSorted(),
  );
  expect(ctx.vps.requests).toHaveLength(2);
});

it('log: has one line for a flood of conflicting callbacks', async () => {
  await using ctx = await setUp();
  const { requestId } = await ctx.publish();
  await ctx.outcome();
  for (let number = 0; number < 20; number += 1)
    expect(await ctx.callback(requestId, { codeVerifier: verifierA, voucherCode: `FORGED-${number}` })).toMatchObject({
      status: 409,
    });
  expect(alarms(ctx.log)).toMatchObject([{ requestId }]);
});

it('callback: is held before the acknowledgement, and the sixth gets a retryable error', async () => {
  const requested = Promise.withResolvers<void>();
  const acknowledge = Promise.withResolvers<object>();
  await using provider = await startProvider(() => {
    requested.resolve();
    return acknowledge.promise;
  });
  await using ctx = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const { requestId } = await ctx.publish();
  await requested.promise;
  for (let wrong = 0; wrong < 4; wrong += 1) {
    expect(
      await ctx.callback(requestId, { codeVerifier: String(wrong).repeat(43), voucherCode: 'FORGED' }),
    ).toMatchObject({ status: 202 });
  }
  expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 202 });
  expect(await ctx.callback(requestId, { codeVerifier: verifierB })).toMatchObject({
    status: 503,
    code: 'SERVICE_UNAVAILABLE',
  });
  expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 202 });
  expect((await ctx.row(requestId))?.held).toHaveLength(5);
  acknowledge.resolve({ codeChallenge: challengeOf(verifierA), transformMethod: 'S256' });
  expect(await ctx.outcome()).toMatchObject([{ requestId, code: 'CODE-1' }]);
});

it('callback: is dropped after the acknowledgement if its verifier is wrong', async () => {
  const requested = Promise.withResolvers<void>();
  const acknowledge = Promise.withResolvers<object>();
  await using provider = await startProvider(() => {
    requested.resolve();
    return acknowledge.promise;
  });
  await using ctx = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const { requestId } = await ctx.publish();
  await requested.promise;
  await ctx.callback(requestId, { codeVerifier: verifierB, voucherCode: 'FORGED' });
  acknowledge.resolve({ codeChallenge: challengeOf(verifierA), transformMethod: 'S256' });
  await ctx.acknowledged(requestId);
  expect(await ctx.row(requestId)).toMatchObject({ status: 'WAITING', held: [], code: null });
});

it.each(['callback-before-acknowledgement', 'duplicate-callback'] as const)(
  'outcome: is published once despite the fault %s',
  async (fault) => {
    await using ctx = await setUp({ provider: { faults: [{ fault }] } });
    const { requestId } = await ctx.publish();
    expect(await ctx.outcome()).toMatchObject([{ requestId, status: 'SUCCESS' }]);
  },
);

it.each(['error', 'drop', 'malformed', 'plain'] as const)(
  'retry: has the same key after the fault %s',
  async (fault) => {
    await using ctx = await setUp({ provider: { faults: [{ fault }, { delayMs: 0 }] } });
    const { requestId } = await ctx.publish();
    expect(await ctx.outcome()).toMatchObject([{ requestId, status: 'SUCCESS' }]);
    expect(ctx.vps.requests.map((request) => request.key)).toEqual([requestId, requestId]);
  },
);

it('retry: follows a request that timed out', async () => {
  await using ctx = await setUp({
    settings: { VPS_TIMEOUT: '50ms' },
    provider: { faults: [{ fault: 'hang' }, { delayMs: 0 }] },
  });
  await ctx.publish();
  expect(await ctx.outcome()).toMatchObject([{ status: 'SUCCESS' }]);
});

it('request: fails at once if the provider refuses it', async () => {
  await using ctx = await setUp({ provider: { faults: [{ fault: 'refuse' }] } });
  const { requestId, userId } = await ctx.publish();
  expect(await ctx.outcome()).toMatchObject([
    { requestId, reason: 'PROVIDER_REFUSED', message: expect.any(String), owner: { id: userId } },
  ]);
});

const alarms = (log: { text: string }) =>
  log.text
    .split('\n')
    .filter((line) => line.includes('"level":"error"'))
    .map((line) => JSON.parse(line));

it.each([401, 403, 404, 405, 407, 415, 421])(
  'retry: follows the status %i, with a log line at level error',
  async (statusCode) => {
    // Regression: an expired credential failed every request for good.
    let received = 0;
    await using provider = await startProvider(() => {
      received += 1;
      if (received === 1) throw Object.assign(new Error('refused'), { statusCode });
      return { status: 'SUCCESS', voucherCode: 'CODE-1' };
    });
    await using ctx = await setUp({ settings: { VPS_URL: provider.url } });
    await ctx.publish();
    expect(await ctx.outcome()).toMatchObject([{ code: 'CODE-1' }]);
    expect(alarms(ctx.log)).toMatchObject([{ failure: `HTTP_${statusCode}` }]);
  },
);

it('retry: follows a refusal after an acknowledgement', async () => {
  // The provider may have sold a code, which FAILED would lose.
  const answers = [{ codeChallenge: challengeOf(verifierA), transformMethod: 'S256' }, null];
  await using provider = await startProvider(() => {
    const answer = answers.shift();
    if (answer === null) throw Object.assign(new Error('refused'), { statusCode: 422 });
    return answer ?? { status: 'SUCCESS', voucherCode: 'CODE-1' };
  });
  await using ctx = await setUp({ settings: { VPS_URL: provider.url } });
  await ctx.publish();
  expect(await ctx.outcome()).toMatchObject([{ code: 'CODE-1' }]);
  expect(alarms(ctx.log)).toMatchObject([{ failure: 'HTTP_422' }]);
});

it('request: waits for its code after a first acknowledgement at the deadline', async () => {
  await using provider = await startProvider(() => ({
    codeChallenge: challengeOf(verifierA),
    transformMethod: 'S256',
  }));
  await using ctx = await setUp({
    settings: { VPS_URL: provider.url, GIVE_UP_AFTER: '1m', VPS_SILENCE_AFTER: '1h' },
  });
  const { requestId } = await ctx.publish({ requestedAt: new Date(Date.now() - 3_600_000).toISOString() });
  await ctx.acknowledged(requestId);
  expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
  expect(await ctx.outcome()).toMatchObject([{ requestId, code: 'CODE-1', status: 'LATE_SUCCESS' }]);
});

it('unclaimed code: is kept for a request that failed without an acknowledgement', async () => {
  await using ctx = await setUp({ provider: { faults: [{ fault: 'refuse' }] } });
  const { requestId } = await ctx.publish();
  await ctx.outcome();
  expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
  // The second code may be the one that was bought, so it is not confirmed with a 200.
  expect(await ctx.callback(requestId, { codeVerifier: verifierB, voucherCode: 'CODE-2' })).toMatchObject({
    status: 409,
  });
  expect(ctx.service.unclaimed).toBe(1);
  expect(await ctx.row(requestId)).toMatchObject({ status: 'FAILED', unclaimed_code: 'CODE-1' });
  expect(ctx.outcomes).toHaveLength(1);
});

it.each([
  ['empty', ''],
  ['with a line break', 'CODE\n1'],
  ['beyond ASCII', 'CODE-€'],
  ['too long', 'C'.repeat(257)],
])('retry: follows an answer whose code is %s', async (_what, voucherCode) => {
  const codes = [voucherCode, 'CODE-1'];
  await using provider = await startProvider(() => ({ status: 'SUCCESS', voucherCode: codes.shift() }));
  await using ctx = await setUp({ settings: { VPS_URL: provider.url } });
  const { requestId } = await ctx.publish();
  expect(await ctx.outcome()).toMatchObject([{ code: 'CODE-1' }]);
  expect(await ctx.callback(requestId, { codeVerifier: verifierA, voucherCode })).toMatchObject({ status: 400 });
});

it('request: fails as PROVIDER_UNAVAILABLE after GIVE_UP_AFTER', async () => {
  await using ctx = await setUp({
    settings: { GIVE_UP_AFTER: '300ms' },
    provider: { faults: [{ fault: 'error', times: 1_000 }] },
  });
  await ctx.publish();
  expect(await ctx.outcome()).toMatchObject([{ reason: 'PROVIDER_UNAVAILABLE' }]);
  expect(ctx.vps.requests.length).toBeGreaterThan(1);
});

it('request: fails as PROVIDER_SILENT after a last retry; a later code is unclaimed', async () => {
  let received = 0;
  await using provider = await startProvider(() => {
    received += 1;
    return { codeChallenge: challengeOf(verifierA), transformMethod: 'S256' };
  });
  await using ctx = await setUp({
    settings: { VPS_URL: provider.url, GIVE_UP_AFTER: '1m' },
  });
  const { requestId } = await ctx.publish({ requestedAt: new Date(Date.now() - 3_600_000).toISOString() });
  expect(await ctx.outcome()).toMatchObject([{ requestId, reason: 'PROVIDER_SILENT' }]);
  expect(received).toBe(2);
  expect(await ctx.callback(requestId, { codeVerifier: verifierB })).toMatchObject({ status: 403 });
  expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
  expect(await ctx.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
  expect(ctx.service.unclaimed).toBe(1);
  expect(await ctx.row(requestId)).toMatchObject({ status: 'FAILED', unclaimed_code: 'CODE-1' });
  expect(ctx.outcomes).toHaveLength(1);
});

it('job: is deleted when a late code settles its request', async () => {
  // Regression: 300 late codes left 300 jobs, which slowed down polling until they were due.
  await using ctx = await setUp({ frozen: true, settings: { VPS_SILENCE_AFTER: '45s' } });
  ctx.vps.next({ delayMs: 10_000 });
  const { requestId } = await ctx.publish();
  await ctx.vps.whenAsked(1);
  ctx.clock.advance(3_000);
  await ctx.acknowledged(requestId);
  expect(await ctx.askAgainJobs()).toBe(1);
  ctx.clock.advance(7_000);
  await ctx.outcome();
  expect(await ctx.askAgainJobs()).toBe(0);
});

it('job: is recreated by a republished message if it was lost', async () => {
  // Regression: pg-boss deletes old jobs, and then nothing retried the request.
  let received = 0;
  await using provider = await startProvider(() => {
    received += 1;
    return received === 1
      ? { codeChallenge: challengeOf(verifierA), transformMethod: 'S256', message: 'wait' }
      : { status: 'SUCCESS', voucherCode: 'CODE-1', message: 'ready' };
  });
  await using ctx = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '10m' } });
  const message = await ctx.publish();
  await ctx.acknowledged(message.requestId);
  expect(await ctx.askAgainJobs()).toBe(1);
  await ctx.engines.database.query.execute(sql`delete from pgboss.job where name = ${askAgain.name}`);
  await ctx.publish(message);
  expect(await ctx.outcome()).toMatchObject([{ requestId: message.requestId, code: 'CODE-1' }]);
});

it('job: is deleted when its request fails', async () => {
  await using ctx = await setUp({ settings: { GIVE_UP_AFTER: '200ms' } });
  ctx.vps.next({ fault: 'error', times: 1_000 });
  for (let request = 0; request < 3; request += 1) await ctx.publish();
  await ctx.outcome(3);
  await expect.poll(ctx.askAgainJobs).toBe(0);
});

it('concurrency: is bounded by VPS_CONCURRENCY, over first requests and retries', async () => {
  let open = 0;
  let most = 0;
  const seen = new Set<string>();
  await using provider = await startProvider(async (key) => {
    open += 1;
    most = Math.max(most, open);
    await new Promise(setImmediate);
    open -= 1;
    if (seen.has(key)) return { status: 'SUCCESS', voucherCode: `CODE-${key}`, message: 'ready' };
    seen.add(key);
    throw new Error('not now');
  });
  await using ctx = await setUp({ settings: { VPS_URL: provider.url, VPS_CONCURRENCY: '3' } });
  for (let request = 0; request < 40; request += 1) await ctx.publish();
  const outcomes = await ctx.outcome(40);
  expect(outcomes.filter((outcome) => 'code' in outcome)).toHaveLength(40);
  expect(most).toBeLessThanOrEqual(3);
});

it('concurrency: retries many requests at once after an outage', async () => {
  const seen = new Set<string>();
  const allArrived = Promise.withResolvers<void>();
  let again = 0;
  await using provider = await startProvider(async (key) => {
    if (!seen.has(key)) {
      seen.add(key);
      throw new Error('not now');
    }
    // Answers are sent once all requests have arrived, so a low concurrency would never end.
    again += 1;
    if (again === 40) allArrived.resolve();
    await allArrived.promise;
    return { status: 'SUCCESS', voucherCode: `CODE-${key}`, message: 'ready' };
  });
  await using ctx = await setUp({ settings: { VPS_URL: provider.url } });
  for (let request = 0; request < 40; request += 1) await ctx.publish();
  expect((await ctx.outcome(40)).filter((outcome) => 'code' in outcome)).toHaveLength(40);
});

it('concurrency: has a hundred requests in flight', async () => {
  const all = Promise.withResolvers<object>();
  let received = 0;
  // Answers are sent once all requests have arrived, so sequential requests would never end.
  await using provider = await startProvider(async (key) => {
    received += 1;
    if (received === 100) all.resolve({});
    await all.promise;
    return { status: 'SUCCESS', voucherCode: `CODE-${key}` };
  });
  await using ctx = await setUp({ settings: { VPS_URL: provider.url } });
  await Promise.all(Array.from({ length: 100 }, () => ctx.publish()));
  expect(new Set((await ctx.outcome(100)).map((outcome) => outcome.requestId)).size).toBe(100);
});

it('outcome: is published again with the same bytes for a duplicate request', async () => {
  await using ctx = await setUp();
  const message = await ctx.publish();
  const [first] = await ctx.outcome();
  await ctx.publish(message);
  const [, second] = await ctx.outcome(2);
  expect(JSON.stringify(second)).toBe(JSON.stringify(first));
  expect(ctx.vps.requests).toHaveLength(1);
});

it('restart: sends an unanswered request again with the same key', async () => {
  const requested = Promise.withResolvers<void>();
  const keys: string[] = [];
  await using provider = await startProvider((key) => {
    keys.push(key);
    requested.resolve();
    return keys.length === 1 ? new Promise(() => {}) : { status: 'SUCCESS', voucherCode: 'CODE-1' };
  });
  await using ctx = await setUp({ settings: { VPS_URL: provider.url } });
  const { requestId } = await ctx.publish();
  await requested.promise;
  await ctx.restart();
  expect(await ctx.outcome()).toMatchObject([{ requestId, code: 'CODE-1' }]);
  expect(keys).toEqual([requestId, requestId]);
});

it('outcome: is published once for concurrent callbacks', async () => {
  await using provider = await startProvider(() => ({
    codeChallenge: challengeOf(verifierA),
    transformMethod: 'S256',
  }));
  await using ctx = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const { requestId } = await ctx.publish();
  await ctx.acknowledged(requestId);
  const answers = await Promise.all([1, 2, 3].map(() => ctx.callback(requestId, { codeVerifier: verifierA })));
  expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
  await ctx.publish({ requestId: randomUUID() });
  expect((await ctx.outcome()).filter((outcome) => outcome.requestId === requestId)).toHaveLength(1);
});

it('callback: is rejected with a stable code if malformed or oversized', async () => {
  await using ctx = await setUp();
  expect(await ctx.callback(randomUUID(), { codeVerifier: 'short' })).toMatchObject({
    status: 400,
    code: 'BAD_USER_INPUT',
  });
  expect(await ctx.callback(randomUUID(), { codeVerifier: 'x'.repeat(70_000) })).toMatchObject({
    status: 413,
    code: 'REQUEST_TOO_LARGE',
  });
});

it('log: contains no code, verifier or phone number', async () => {
  await using ctx = await setUp({ provider: { faults: [{ fault: 'error' }, { delayMs: 0 }] } });
  await ctx.publish();
  const [outcome] = await ctx.outcome();
  for (const secret of [(outcome as ReceiveCode).code, '909123456']) expect(ctx.log.text).not.toContain(secret);
});

it('retention: deletes old ended requests, but no WAITING one or unclaimed code', async () => {
  await using ctx = await setUp({ frozen: true, settings: { PROVIDER_REQUEST_RETENTION: '60d' } });
  const { query } = ctx.engines.database;
  const add = (name: string, { status, days, unclaimed }: { status: string; days: number; unclaimed?: string }) =>
    query.execute(sql`
      insert into integration.provider_request (
        request_id, user_id, phone_number, requested_at, status, challenges, held, attempts, last_error, unclaimed_code
      ) values (
        gen_random_uuid(), gen_random_uuid(), '+84909123456', ${new Date(ctx.clock.now() - days * 86_400_000).toISOString()},
        ${status}, '[]', '[]', 1, ${name}, ${unclaimed ?? null}
      )`);
  await add('settled long ago', { status: 'SETTLED', days: 61 });
  await add('failed long ago', { status: 'FAILED', days: 61 });
  await add('unclaimed', { status: 'FAILED', days: 400, unclaimed: 'CODE-1' });
  await add('waits', { status: 'WAITING', days: 400 });
  await add('settled', { status: 'SETTLED', days: 59 });
  ctx.clock.advance(600_000);
  const names = async () =>
    (await query.execute(sql`select last_error from integration.provider_request order by 1`)).rows.map(
      (row) => row.last_error,
    );
  await expect.poll(names).toEqual(['settled', 'unclaimed', 'waits']);
});
