import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { supergraphSdl } from '@voucher-gateway/schema/sdl';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPlanner, type Planner, type PlannerOptions } from './planner.ts';

// In production, operations wait 5 s for the thread. The tests wait longer, because a busy machine may start the thread
// slowly.
const startPlanner = (options: Partial<PlannerOptions> = {}) =>
  createPlanner({
    supergraphSdl: supergraphSdl(),
    hideSuggestions: false,
    log: silentLog,
    waitTimeoutMs: 120_000,
    ...options,
  });
const request = (text: string, conditions = {}, operationName: string | null = null) => ({
  text,
  operationName,
  conditions,
});
/** A valid document that takes long to validate, because every pair of its fields is compared. */
const slow = `{ ${Array.from({ length: 20_000 }, (_, index) => `a: voucherRequest(id: "${index % 2}") { id }`).join(' ')} }`;

// All tests that do not change the planner share this one, because a start takes half a second of CPU time.
let planner: Planner;
beforeAll(() => {
  planner = startPlanner();
});
afterAll(() => planner[Symbol.asyncDispose]());

describe('planner: plans', () => {
  it('an operation, as data that crosses threads', async () => {
    const { plan, bytes } = await planner.plan(request('{ me { id } }'));
    expect(plan).toMatchObject({ kind: 'QueryPlan', node: { kind: 'Fetch', serviceName: 'user' } });
    expect(bytes).toBeGreaterThan(100);
  });

  it('the named operation', async () => {
    const text = 'query A { me { id } } query B { purchasedVouchers { nodes { id } } }';
    expect((await planner.plan(request(text, {}, 'B'))).plan).toMatchObject({ node: { serviceName: 'voucher' } });
  });

  it('without the fields that conditions exclude', async () => {
    const text = 'query($a: Boolean!) { me { id username @include(if: $a) phoneNumber @skip(if: $a) } }';
    const operations = await Promise.all(
      [true, false].map(async (a) => (await planner.plan(request(text, { a }))).plan.node),
    );
    expect(operations).toMatchObject([{ operation: '{me{id username}}' }, { operation: '{me{id phoneNumber}}' }]);
  });

  it('nothing if conditions exclude everything', async () => {
    const { plan } = await planner.plan(request('query($a: Boolean!) { me @include(if: $a) { id } }', { a: false }));
    expect(plan.node).toBeUndefined();
  });
});

describe('planner: refuses', () => {
  it('a document with all its errors, each at its location', async () => {
    await expect(planner.plan(request('{ me { idd }\n nobody }'))).rejects.toMatchObject({
      errors: [
        { message: expect.stringContaining('Did you mean "id"'), locations: [{ line: 1, column: 8 }] },
        { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' }, locations: [{ line: 2, column: 2 }] },
      ],
    });
  });

  it('a document without suggesting names of the schema, if so configured', async () => {
    await using planner = startPlanner({ hideSuggestions: true });
    await expect(planner.plan(request('{ me { idd } }'))).rejects.toMatchObject({
      errors: [{ message: 'Cannot query field "idd" on type "User".' }],
    });
  });

  it('an operation over the time limit, and plans the next one in a new thread', async () => {
    await using planner = startPlanner({ timeoutMs: 50, elapsedTimeoutMs: 60_000, waitTimeoutMs: 60_000 });
    await planner.plan(request('{ me { id } }')).catch(() => {});
    await expect(planner.plan(request(slow))).rejects.toMatchObject({
      code: 'OPERATION_TOO_COMPLEX',
      details: { limit: 'planning', maximum: 50 },
    });
    // A new thread has replaced the first thread. Its first operations are slow and may exceed the limit again, so
    // poll.
    await expect
      .poll(() => planner.plan(request('{ me { username } }')).catch((error: unknown) => error))
      .toMatchObject({ plan: { kind: 'QueryPlan' } });
  });

  it('nothing as too complex on a machine too busy to plan it in time', async () => {
    await using planner = startPlanner({ timeoutMs: 600_000, elapsedTimeoutMs: 50, waitTimeoutMs: 60_000 });
    await expect(planner.plan(request(slow))).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      details: { retryAfterSeconds: 1 },
    });
  });

  it('fragments that spread each other too often for the planner', async () => {
    // Regression: with OPERATION_LIMITS=measure no limit rejected this operation, and the planner's error became
    // INTERNAL_SERVER_ERROR.
    const fragments = Array.from(
      { length: 60 },
      (_, index) =>
        `fragment F${index} on User { id ${Array.from({ length: Math.min(25, 59 - index) }, (_, next) => `...F${index + 1 + next}`).join(' ')} }`,
    );
    await expect(planner.plan(request(`{ me { ...F0 } } ${fragments.join(' ')}`))).rejects.toMatchObject({
      code: 'OPERATION_TOO_COMPLEX',
    });
  });

  it('operations over the queue’s limit, retryable', async () => {
    await using planner = startPlanner({ maxWaiting: 2 });
    const answers = await Promise.allSettled(
      ['{ a: me { id } }', '{ b: me { id } }', '{ c: me { id } }'].map((text) => planner.plan(request(text))),
    );
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(answers[1]).toMatchObject({ reason: { code: 'SERVICE_UNAVAILABLE', retryable: true } });
  });

  it('requests after disposal; earlier ones are answered or refused, never pending', async () => {
    const planner = startPlanner();
    const requested = planner.plan(request('{ me { id } }')).catch(({ code }) => code);
    await planner[Symbol.asyncDispose]();
    expect(await requested).toBeDefined();
    await expect(planner.plan(request('{ me { id } }'))).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });
});

describe('planner: thread', () => {
  it('ends when there is nothing to plan, and starts for the next operation', async () => {
    const started = async () => {
      const [worker] = (await once(process, 'worker')) as [Worker];
      return { exited: once(worker, 'exit') };
    };
    const first = started();
    await using planner = startPlanner({ sleepAfterMs: 1, waitTimeoutMs: 60_000 });
    await (await first).exited;
    await planner.ping();
    const second = started();
    expect((await planner.plan(request('{ me { id } }'))).plan.kind).toBe('QueryPlan');
    await (await second).exited;
  });

  it('is disposed while it sleeps', async () => {
    const started = once(process, 'worker') as Promise<[Worker]>;
    const planner = startPlanner({ sleepAfterMs: 1 });
    const [worker] = await started;
    await once(worker, 'exit');
    await planner[Symbol.asyncDispose]();
    await expect(planner.plan(request('{ me { id } }'))).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });
});

describe('planner: disposal', () => {
  it('plans the waiting operations, also during the pause after a large one', async () => {
    // Regression: if a reload happened while the planner paused, the waiting operations were refused.
    const planner = startPlanner();
    const large = `{ ${Array.from({ length: 1_000 }, (_, index) => `a${index}: me { id }`).join(' ')} }`;
    const first = planner.plan(request(large));
    const second = planner.plan(request('{ me { id } }'));
    await first;
    await planner[Symbol.asyncDispose]();
    expect(await second).toMatchObject({ plan: { kind: 'QueryPlan' } });
  });
});

describe('planner', () => {
  it('never blocks the calling thread', async () => {
    await using planner = startPlanner({ timeoutMs: 500, elapsedTimeoutMs: 60_000 });
    await planner.plan(request('{ me { id } }'));
    const answer = planner.plan(request(slow)).then(
      () => 'planned',
      ({ code }) => code,
    );
    let turns = 0;
    let isAnswered = false;
    void answer.then(() => {
      isAnswered = true;
    });
    for (; !isAnswered; turns += 1) await new Promise(setImmediate);
    expect(await answer).toBe('OPERATION_TOO_COMPLEX');
    expect(turns).toBeGreaterThan(100);
  });
});

describe('planner: requesters', () => {
  const texts = (name: string, count: number) =>
    Array.from({ length: count }, (_, index) => `query ${name}${index} { me { id } }`);

  it('that fill the queue are refused, not a newcomer', async () => {
    await using planner = startPlanner({ maxWaiting: 4 });
    const many = Promise.allSettled(texts('a', 4).map((text) => planner.plan(request(text), { name: 'a' })));
    expect(await planner.plan(request('{ me { username } }'), { name: 'b' })).toMatchObject({
      bytes: expect.any(Number),
    });
    expect((await many).at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'SERVICE_UNAVAILABLE' } });
  });

  it('that have left are not planned for', async () => {
    await using planner = startPlanner();
    const leaving = new AbortController();
    const left = planner.plan(request('{ me { id } }'), { name: 'a', signal: leaving.signal });
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect(await planner.plan(request('{ me { id } }'))).toMatchObject({ plan: { kind: 'QueryPlan' } });
  });
});

describe('planner: ping', () => {
  it('succeeds while the thread runs, and fails while it is replaced repeatedly', async () => {
    await using planner = startPlanner({ timeoutMs: 50, elapsedTimeoutMs: 60_000, waitTimeoutMs: 60_000 });
    await expect(planner.ping()).rejects.toThrow('starts');
    await expect.poll(() => planner.ping().then(() => 'ok', String)).toBe('ok');
    for (const id of [1, 2, 3])
      await expect(planner.plan(request(slow.replace('{', `query Q${id} {`), {}))).rejects.toMatchObject({
        code: 'OPERATION_TOO_COMPLEX',
      });
    await expect(planner.ping()).rejects.toThrow();
    await expect.poll(() => planner.ping().catch(String)).toContain('replaced too often');
  });
});
