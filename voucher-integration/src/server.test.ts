import { randomUUID } from 'node:crypto';
import { createTestClock, systemClock } from '@voucher-gateway/platform/clock';
import { readConfig } from '@voucher-gateway/platform/config';
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
  let heard = () => {};
  const onMessage = ({ value }: { value: ReceiveCode | RequestFailed }) => {
    outcomes.push(value);
    heard();
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
    /** Resolves with the outcomes once there are `count`. */
    async outcome(count = 1) {
      while (outcomes.length < count) {
        await new Promise<void>((resolve) => {
          heard = resolve;
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
    /** Jobs that wait to ask the provider again, or have. */
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

/** A provider of the test's own, for what the simulated one does not do. */
async function startProvider(answer: (key: string) => Promise<object> | object) {
  const { fastify } = await import('fastify');
  const app = fastify({ forceCloseConnections: true });
  app.post('/api/request/voucher', (request) => answer(String(request.headers['idempotency-key'])));
  const url = await app.listen({ port: 0 });
  return { url: url.replace('[::1]', '127.0.0.1'), [Symbol.asyncDispose]: () => app.close() };
}

it('publishes a code that comes within three seconds', async () => {
  await using set = await setUp();
  const { requestId, userId, requestedAt } = await set.publish();
  expect(await set.outcome()).toEqual([
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
  expect(set.vps.requests).toMatchObject([{ key: requestId }]);
});

it('publishes a code that comes by a verified callback', async () => {
  await using set = await setUp({ frozen: true });
  set.vps.next({ delayMs: 10_000 });
  const { requestId } = await set.publish();
  await set.vps.whenAsked(1);
  set.clock.advance(3_000);
  await set.acknowledged(requestId);
  set.clock.advance(7_000);
  expect(await set.outcome()).toMatchObject([{ requestId, status: 'SUCCESS' }]);
});

it('calls a code late by our clock, whatever the provider says', async () => {
  await using set = await setUp({ frozen: true });
  set.vps.next({ delayMs: 0 });
  await set.publish({ requestedAt: new Date(set.clock.now() - 30_001).toISOString() });
  await set.vps.whenAsked(1);
  set.clock.advance(0);
  expect(await set.outcome()).toMatchObject([{ status: 'LATE_SUCCESS' }]);
});

it('calls a code late when the provider says so, whatever our clock says', async () => {
  await using provider = await startProvider(() => ({
    codeChallenge: challengeOf(verifierA),
    transformMethod: 'S256',
  }));
  await using set = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const { requestId } = await set.publish();
  await set.acknowledged(requestId);
  expect(await set.callback(requestId, { codeVerifier: verifierA, status: 'LATE_SUCCESS' })).toMatchObject({
    status: 200,
  });
  expect(await set.outcome()).toMatchObject([{ status: 'LATE_SUCCESS' }]);
});

it('judges callbacks as the protocol says: unknown, wrong verifier, right, again, another code', async () => {
  await using provider = await startProvider(() => ({
    codeChallenge: challengeOf(verifierA),
    transformMethod: 'S256',
  }));
  await using set = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const { requestId } = await set.publish();
  await set.acknowledged(requestId);
  expect(await set.callback(randomUUID(), { codeVerifier: verifierA })).toMatchObject({
    status: 404,
    code: 'NOT_FOUND',
  });
  expect(await set.callback('nonsense', { codeVerifier: verifierA })).toMatchObject({ status: 404 });
  const before = await set.row(requestId);
  expect(await set.callback(requestId, { codeVerifier: verifierB })).toMatchObject({ status: 403, code: 'FORBIDDEN' });
  expect(await set.row(requestId)).toEqual(before);
  expect(await set.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
  expect(await set.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
  expect(await set.callback(requestId, { codeVerifier: verifierA, voucherCode: 'CODE-2' })).toMatchObject({
    status: 409,
    code: 'VOUCHER_CODE_CONFLICT',
  });
  expect(await set.callback(requestId, { codeVerifier: verifierB, voucherCode: 'CODE-1' })).toMatchObject({
    status: 403,
  });
  expect(await set.outcome()).toMatchObject([{ code: 'CODE-1' }]);
});

it('takes no verifier of another request, and finds the request by the challenge where none is named', async () => {
  const verifiers = new Map<string, string>();
  await using provider = await startProvider((key) => ({
    codeChallenge: challengeOf(verifiers.get(key) ?? ''),
    transformMethod: 'S256',
  }));
  await using set = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const [a, b] = [randomUUID(), randomUUID()];
  verifiers.set(a, verifierA).set(b, verifierB);
  await set.publish({ requestId: a });
  await set.publish({ requestId: b });
  await set.acknowledged(a);
  await set.acknowledged(b);
  expect(await set.callback(a, { codeVerifier: verifierB })).toMatchObject({ status: 403 });
  expect(await set.callback(null, { codeVerifier: verifierB, voucherCode: 'CODE-B' })).toMatchObject({ status: 200 });
  expect(await set.callback(null, { codeVerifier: 'c'.repeat(43) })).toMatchObject({ status: 404 });
  expect(await set.outcome()).toMatchObject([{ requestId: b, code: 'CODE-B' }]);
});

it('refuses a callback that names no request where several have its challenge', async () => {
  // It settled one of them, whosever the code was.
  await using provider = await startProvider(() => ({
    codeChallenge: challengeOf(verifierA),
    transformMethod: 'S256',
  }));
  await using set = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const [a, b] = [await set.publish(), await set.publish()];
  for (const { requestId } of [a, b]) await set.acknowledged(requestId);
  const callback = { codeVerifier: verifierA, voucherCode: 'CODE-B' };
  expect(await set.callback(null, callback)).toMatchObject({ status: 400 });
  expect(await set.callback(b.requestId, callback)).toMatchObject({ status: 200 });
  expect(await set.outcome()).toMatchObject([{ requestId: b.requestId, code: 'CODE-B' }]);
});

it('keeps a callback as unclaimed that was held when its request failed', async () => {
  // The provider was told that it is kept, and it was dropped.
  const asked = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  await using provider = await startProvider(async () => {
    asked.resolve();
    await held.promise;
    throw Object.assign(new Error('refused'), { statusCode: 422 });
  });
  await using set = await setUp({ settings: { VPS_URL: provider.url } });
  const { requestId } = await set.publish();
  await asked.promise;
  expect(await set.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 202 });
  held.resolve();
  expect(await set.outcome()).toMatchObject([{ requestId, reason: 'PROVIDER_REFUSED' }]);
  expect(await set.row(requestId)).toMatchObject({ held: [], unclaimed_code: 'CODE-1' });
  expect(set.service.unclaimed).toBe(1);
  expect(alarms(set.log)).toMatchObject([{ requestId }]);
});

it('takes a request as one, in whatever case its id is written', async () => {
  // Its row was never found again: each try failed, and published the outcome of one that had ended once more.
  await using set = await setUp();
  const message = await set.publish();
  await set.outcome();
  await set.publish({ ...message, requestId: message.requestId.toUpperCase() });
  const other = await set.publish({ requestId: randomUUID().toUpperCase() });
  const outcomes = await set.outcome(3);
  expect(outcomes.map(({ requestId }) => requestId).toSorted()).toEqual(
    [message.requestId, message.requestId, other.requestId.toLowerCase()].toSorted(),
  );
  expect(set.vps.requests).toHaveLength(2);
});

it('logs a flood of wrong callbacks in a line of each kind', async () => {
  await using set = await setUp();
  const { requestId } = await set.publish();
  await set.outcome();
  for (let number = 0; number < 20; number += 1)
    expect(await set.callback(requestId, { codeVerifier: verifierA, voucherCode: `FORGED-${number}` })).toMatchObject({
      status: 409,
    });
  expect(alarms(set.log)).toMatchObject([{ requestId }]);
});

it('keeps callbacks that come before the acknowledgement, has the sixth come again, and judges them then', async () => {
  const asked = Promise.withResolvers<void>();
  const acknowledge = Promise.withResolvers<object>();
  await using provider = await startProvider(() => {
    asked.resolve();
    return acknowledge.promise;
  });
  await using set = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const { requestId } = await set.publish();
  await asked.promise;
  for (let wrong = 0; wrong < 4; wrong += 1) {
    expect(
      await set.callback(requestId, { codeVerifier: String(wrong).repeat(43), voucherCode: 'FORGED' }),
    ).toMatchObject({ status: 202 });
  }
  expect(await set.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 202 });
  expect(await set.callback(requestId, { codeVerifier: verifierB })).toMatchObject({
    status: 503,
    code: 'SERVICE_UNAVAILABLE',
  });
  expect(await set.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 202 });
  expect((await set.row(requestId))?.held).toHaveLength(5);
  acknowledge.resolve({ codeChallenge: challengeOf(verifierA), transformMethod: 'S256' });
  expect(await set.outcome()).toMatchObject([{ requestId, code: 'CODE-1' }]);
});

it('drops what it kept when no verifier is right', async () => {
  const asked = Promise.withResolvers<void>();
  const acknowledge = Promise.withResolvers<object>();
  await using provider = await startProvider(() => {
    asked.resolve();
    return acknowledge.promise;
  });
  await using set = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const { requestId } = await set.publish();
  await asked.promise;
  await set.callback(requestId, { codeVerifier: verifierB, voucherCode: 'FORGED' });
  acknowledge.resolve({ codeChallenge: challengeOf(verifierA), transformMethod: 'S256' });
  await set.acknowledged(requestId);
  expect(await set.row(requestId)).toMatchObject({ status: 'WAITING', held: [], code: null });
});

it.each(['callback-before-acknowledgement', 'duplicate-callback'] as const)(
  'gets one outcome through the fault %s',
  async (fault) => {
    await using set = await setUp({ provider: { faults: [{ fault }] } });
    const { requestId } = await set.publish();
    expect(await set.outcome()).toMatchObject([{ requestId, status: 'SUCCESS' }]);
  },
);

it.each(['error', 'drop', 'malformed', 'plain'] as const)(
  'asks again with the same key after the fault %s',
  async (fault) => {
    await using set = await setUp({ provider: { faults: [{ fault }, { delayMs: 0 }] } });
    const { requestId } = await set.publish();
    expect(await set.outcome()).toMatchObject([{ requestId, status: 'SUCCESS' }]);
    expect(set.vps.requests.map((request) => request.key)).toEqual([requestId, requestId]);
  },
);

it('asks again when the provider hangs past its time', async () => {
  await using set = await setUp({
    settings: { VPS_TIMEOUT: '50ms' },
    provider: { faults: [{ fault: 'hang' }, { delayMs: 0 }] },
  });
  await set.publish();
  expect(await set.outcome()).toMatchObject([{ status: 'SUCCESS' }]);
});

it('fails at once what the provider refuses', async () => {
  await using set = await setUp({ provider: { faults: [{ fault: 'refuse' }] } });
  const { requestId, userId } = await set.publish();
  expect(await set.outcome()).toMatchObject([
    { requestId, reason: 'PROVIDER_REFUSED', message: expect.any(String), owner: { id: userId } },
  ]);
});

const alarms = (log: { text: string }) =>
  log.text
    .split('\n')
    .filter((line) => line.includes('"level":"error"'))
    .map((line) => JSON.parse(line));

it.each([401, 403, 404, 405, 407, 415, 421])('asks again, with an alarm, after the status %i', async (statusCode) => {
  // Regression: an expired credential failed every request for ever.
  let asked = 0;
  await using provider = await startProvider(() => {
    asked += 1;
    if (asked === 1) throw Object.assign(new Error('refused'), { statusCode });
    return { status: 'SUCCESS', voucherCode: 'CODE-1' };
  });
  await using set = await setUp({ settings: { VPS_URL: provider.url } });
  await set.publish();
  expect(await set.outcome()).toMatchObject([{ code: 'CODE-1' }]);
  expect(alarms(set.log)).toMatchObject([{ failure: `HTTP_${statusCode}` }]);
});

it('asks again where the provider refuses what it has acknowledged', async () => {
  // It may have sold: FAILED would lose the code.
  const answers = [{ codeChallenge: challengeOf(verifierA), transformMethod: 'S256' }, null];
  await using provider = await startProvider(() => {
    const answer = answers.shift();
    if (answer === null) throw Object.assign(new Error('refused'), { statusCode: 422 });
    return answer ?? { status: 'SUCCESS', voucherCode: 'CODE-1' };
  });
  await using set = await setUp({ settings: { VPS_URL: provider.url } });
  await set.publish();
  expect(await set.outcome()).toMatchObject([{ code: 'CODE-1' }]);
  expect(alarms(set.log)).toMatchObject([{ failure: 'HTTP_422' }]);
});

it('waits for the code of a first acknowledgement, though it came as the request was given up', async () => {
  await using provider = await startProvider(() => ({
    codeChallenge: challengeOf(verifierA),
    transformMethod: 'S256',
  }));
  await using set = await setUp({
    settings: { VPS_URL: provider.url, GIVE_UP_AFTER: '1m', VPS_SILENCE_AFTER: '1h' },
  });
  const { requestId } = await set.publish({ requestedAt: new Date(Date.now() - 3_600_000).toISOString() });
  await set.acknowledged(requestId);
  expect(await set.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
  expect(await set.outcome()).toMatchObject([{ requestId, code: 'CODE-1', status: 'LATE_SUCCESS' }]);
});

it('keeps a code that comes after a request failed without an acknowledgement', async () => {
  await using set = await setUp({ provider: { faults: [{ fault: 'refuse' }] } });
  const { requestId } = await set.publish();
  await set.outcome();
  expect(await set.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
  // One that is not the first may be the one that is bought: its sender is not told that we have it.
  expect(await set.callback(requestId, { codeVerifier: verifierB, voucherCode: 'CODE-2' })).toMatchObject({
    status: 409,
  });
  expect(set.service.unclaimed).toBe(1);
  expect(await set.row(requestId)).toMatchObject({ status: 'FAILED', unclaimed_code: 'CODE-1' });
  expect(set.outcomes).toHaveLength(1);
});

it.each(['', 'CODE\n1', 'CODE-€', 'C'.repeat(257)])('asks again where the code is %j', async (voucherCode) => {
  const codes = [voucherCode, 'CODE-1'];
  await using provider = await startProvider(() => ({ status: 'SUCCESS', voucherCode: codes.shift() }));
  await using set = await setUp({ settings: { VPS_URL: provider.url } });
  const { requestId } = await set.publish();
  expect(await set.outcome()).toMatchObject([{ code: 'CODE-1' }]);
  expect(await set.callback(requestId, { codeVerifier: verifierA, voucherCode })).toMatchObject({ status: 400 });
});

it('gives up on a provider that never answers well', async () => {
  await using set = await setUp({
    settings: { GIVE_UP_AFTER: '300ms' },
    provider: { faults: [{ fault: 'error', times: 1_000 }] },
  });
  await set.publish();
  expect(await set.outcome()).toMatchObject([{ reason: 'PROVIDER_UNAVAILABLE' }]);
  expect(set.vps.requests.length).toBeGreaterThan(1);
});

it('gives up on a provider that is silent, after asking once more; a code after that is kept and published nowhere', async () => {
  let asked = 0;
  await using provider = await startProvider(() => {
    asked += 1;
    return { codeChallenge: challengeOf(verifierA), transformMethod: 'S256' };
  });
  await using set = await setUp({
    settings: { VPS_URL: provider.url, GIVE_UP_AFTER: '1m' },
  });
  const { requestId } = await set.publish({ requestedAt: new Date(Date.now() - 3_600_000).toISOString() });
  expect(await set.outcome()).toMatchObject([{ requestId, reason: 'PROVIDER_SILENT' }]);
  expect(asked).toBe(2);
  expect(await set.callback(requestId, { codeVerifier: verifierB })).toMatchObject({ status: 403 });
  expect(await set.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
  expect(await set.callback(requestId, { codeVerifier: verifierA })).toMatchObject({ status: 200 });
  expect(set.service.unclaimed).toBe(1);
  expect(await set.row(requestId)).toMatchObject({ status: 'FAILED', unclaimed_code: 'CODE-1' });
  expect(set.outcomes).toHaveLength(1);
});

// 300 late codes left 300 jobs, each of which was polled past until it was due.
it('deletes the job that asks again with the request that a late code settles', async () => {
  await using set = await setUp({ frozen: true, settings: { VPS_SILENCE_AFTER: '45s' } });
  set.vps.next({ delayMs: 10_000 });
  const { requestId } = await set.publish();
  await set.vps.whenAsked(1);
  set.clock.advance(3_000);
  await set.acknowledged(requestId);
  expect(await set.askAgainJobs()).toBe(1);
  set.clock.advance(7_000);
  await set.outcome();
  expect(await set.askAgainJobs()).toBe(0);
});

// pg-boss deletes what has waited for too long: nothing asked again, and a repeated message changed nothing.
it('asks again when a request whose job was lost is published again', async () => {
  let asked = 0;
  await using provider = await startProvider(() => {
    asked += 1;
    return asked === 1
      ? { codeChallenge: challengeOf(verifierA), transformMethod: 'S256', message: 'wait' }
      : { status: 'SUCCESS', voucherCode: 'CODE-1', message: 'ready' };
  });
  await using set = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '10m' } });
  const message = await set.publish();
  await set.acknowledged(message.requestId);
  expect(await set.askAgainJobs()).toBe(1);
  await set.engines.database.query.execute(sql`delete from pgboss.job where name = ${askAgain.name}`);
  await set.publish(message);
  expect(await set.outcome()).toMatchObject([{ requestId: message.requestId, code: 'CODE-1' }]);
});

it('leaves no job of requests that were asked again and failed', async () => {
  await using set = await setUp({ settings: { GIVE_UP_AFTER: '200ms' } });
  set.vps.next({ fault: 'error', times: 1_000 });
  for (let request = 0; request < 3; request += 1) await set.publish();
  await set.outcome(3);
  await expect.poll(set.askAgainJobs).toBe(0);
});

it('asks about no more at once than VPS_CONCURRENCY, first and repeated requests together', async () => {
  let open = 0;
  let most = 0;
  const asked = new Set<string>();
  await using provider = await startProvider(async (key) => {
    open += 1;
    most = Math.max(most, open);
    await new Promise(setImmediate);
    open -= 1;
    if (asked.has(key)) return { status: 'SUCCESS', voucherCode: `CODE-${key}`, message: 'ready' };
    asked.add(key);
    throw new Error('not now');
  });
  await using set = await setUp({ settings: { VPS_URL: provider.url, VPS_CONCURRENCY: '3' } });
  for (let request = 0; request < 40; request += 1) await set.publish();
  const outcomes = await set.outcome(40);
  expect(outcomes.filter((outcome) => 'code' in outcome)).toHaveLength(40);
  expect(most).toBeLessThanOrEqual(3);
});

it('asks again about many at once after an outage', async () => {
  const asked = new Set<string>();
  const together = Promise.withResolvers<void>();
  let again = 0;
  await using provider = await startProvider(async (key) => {
    if (!asked.has(key)) {
      asked.add(key);
      throw new Error('not now');
    }
    // Nobody is answered before all are asked: with eight at once none ever is.
    again += 1;
    if (again === 40) together.resolve();
    await together.promise;
    return { status: 'SUCCESS', voucherCode: `CODE-${key}`, message: 'ready' };
  });
  await using set = await setUp({ settings: { VPS_URL: provider.url } });
  for (let request = 0; request < 40; request += 1) await set.publish();
  expect((await set.outcome(40)).filter((outcome) => 'code' in outcome)).toHaveLength(40);
});

it('has many requests in flight: a hundred take about as long as one', async () => {
  const all = Promise.withResolvers<object>();
  let asked = 0;
  // Nobody is answered before all have asked: one after the other would never end.
  await using provider = await startProvider(async (key) => {
    asked += 1;
    if (asked === 100) all.resolve({});
    await all.promise;
    return { status: 'SUCCESS', voucherCode: `CODE-${key}` };
  });
  await using set = await setUp({ settings: { VPS_URL: provider.url } });
  await Promise.all(Array.from({ length: 100 }, () => set.publish()));
  expect(new Set((await set.outcome(100)).map((outcome) => outcome.requestId)).size).toBe(100);
});

it('publishes the same outcome, to the byte, when the request is seen again', async () => {
  await using set = await setUp();
  const message = await set.publish();
  const [first] = await set.outcome();
  await set.publish(message);
  const [, second] = await set.outcome(2);
  expect(JSON.stringify(second)).toBe(JSON.stringify(first));
  expect(set.vps.requests).toHaveLength(1);
});

it('asks again with the same key when it was stopped while the provider was thinking', async () => {
  const asked = Promise.withResolvers<void>();
  const keys: string[] = [];
  await using provider = await startProvider((key) => {
    keys.push(key);
    asked.resolve();
    return keys.length === 1 ? new Promise(() => {}) : { status: 'SUCCESS', voucherCode: 'CODE-1' };
  });
  await using set = await setUp({ settings: { VPS_URL: provider.url } });
  const { requestId } = await set.publish();
  await asked.promise;
  await set.restart();
  expect(await set.outcome()).toMatchObject([{ requestId, code: 'CODE-1' }]);
  expect(keys).toEqual([requestId, requestId]);
});

it('publishes once when two callbacks come at once', async () => {
  await using provider = await startProvider(() => ({
    codeChallenge: challengeOf(verifierA),
    transformMethod: 'S256',
  }));
  await using set = await setUp({ settings: { VPS_URL: provider.url, VPS_SILENCE_AFTER: '1h' } });
  const { requestId } = await set.publish();
  await set.acknowledged(requestId);
  const answers = await Promise.all([1, 2, 3].map(() => set.callback(requestId, { codeVerifier: verifierA })));
  expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
  await set.publish({ requestId: randomUUID() });
  expect((await set.outcome()).filter((outcome) => outcome.requestId === requestId)).toHaveLength(1);
});

it('answers a malformed or an oversized callback with a stable code', async () => {
  await using set = await setUp();
  expect(await set.callback(randomUUID(), { codeVerifier: 'short' })).toMatchObject({
    status: 400,
    code: 'BAD_USER_INPUT',
  });
  expect(await set.callback(randomUUID(), { codeVerifier: 'x'.repeat(70_000) })).toMatchObject({
    status: 413,
    code: 'REQUEST_TOO_LARGE',
  });
});

it('writes no code, verifier or phone number to its log', async () => {
  await using set = await setUp({ provider: { faults: [{ fault: 'error' }, { delayMs: 0 }] } });
  await set.publish();
  const [outcome] = await set.outcome();
  for (const secret of [(outcome as ReceiveCode).code, '909123456']) expect(set.log.text).not.toContain(secret);
});

it('retention: deletes requests that ended long ago, never one that waits or an unclaimed code', async () => {
  await using set = await setUp({ frozen: true, settings: { PROVIDER_REQUEST_RETENTION: '60d' } });
  const { query } = set.engines.database;
  const add = (name: string, { status, days, unclaimed }: { status: string; days: number; unclaimed?: string }) =>
    query.execute(sql`
      insert into integration.provider_request (
        request_id, user_id, phone_number, requested_at, status, challenges, held, attempts, last_error, unclaimed_code
      ) values (
        gen_random_uuid(), gen_random_uuid(), '+84909123456', ${new Date(set.clock.now() - days * 86_400_000).toISOString()},
        ${status}, '[]', '[]', 1, ${name}, ${unclaimed ?? null}
      )`);
  await add('settled long ago', { status: 'SETTLED', days: 61 });
  await add('failed long ago', { status: 'FAILED', days: 61 });
  await add('unclaimed', { status: 'FAILED', days: 400, unclaimed: 'CODE-1' });
  await add('waits', { status: 'WAITING', days: 400 });
  await add('settled', { status: 'SETTLED', days: 59 });
  set.clock.advance(600_000);
  const names = async () =>
    (await query.execute(sql`select last_error from integration.provider_request order by 1`)).rows.map(
      (row) => row.last_error,
    );
  await expect.poll(names).toEqual(['settled', 'unclaimed', 'waits']);
});
