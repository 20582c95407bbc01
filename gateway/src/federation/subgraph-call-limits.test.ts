import { describe, expect, it } from 'vitest';
import { postAndLeave } from '../testing/clients/leaving-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { respondWith, startSubgraph } from '../testing/servers/subgraph.ts';

const json = { 'content-type': 'application/json' };
const hello = { data: { hello: 'hello' } };
const unavailable = { errors: [{ path: ['hello'], extensions: { code: 'SUBGRAPH_UNAVAILABLE', retryable: true } }] };

describe('subgraph calls: the time-out', () => {
  it('covers a slow response body', async () => {
    await using people = await startSubgraph((response) => {
      response.writeHead(200, json);
      const trickle = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(trickle));
    });
    await using gateway = await startTestGateway({
      subgraphUrls: { people: people.url },
      environment: { SUBGRAPH_TIMEOUT: '200ms' },
    });
    expect(await gateway.post('{ hello }')).toMatchObject(unavailable);
  });

  it('covers time in the queue', async () => {
    await using people = await startSubgraph(() => {});
    await using gateway = await startTestGateway({
      subgraphUrls: { people: people.url },
      environment: { SUBGRAPH_TIMEOUT: '300ms', SUBGRAPH_CONNECTIONS: '1' },
    });
    const startedAtMs = performance.now();
    const elapsedMs = await Promise.all(
      Array.from({ length: 10 }, async () => {
        expect(await gateway.post('{ hello }')).toMatchObject(unavailable);
        return performance.now() - startedAtMs;
      }),
    );
    // SUBGRAPH_CONNECTIONS allows one call at a time. If time in the queue did not count, the calls would time out one
    // after another. The tenth call would take ten times as long as the first.
    expect(Math.max(...elapsedMs)).toBeLessThan(3 * Math.min(...elapsedMs));
  });
});

describe('subgraph calls: queued calls', () => {
  it.each([
    ['calls', { SUBGRAPH_QUEUE: '1' }],
    ['bytes', { SUBGRAPH_QUEUE_BYTES: '50' }],
  ])('are bounded in %s: more fail at once', async (_what, environment) => {
    await using people = await startSubgraph();
    await using gateway = await startTestGateway({
      subgraphUrls: { people: people.url },
      environment: { ...environment, SUBGRAPH_CONNECTIONS: '1' },
    });
    const first = gateway.post('{ hello }');
    await people.call(1);
    // One of the two new calls is queued, and the other fails immediately.
    const others = [gateway.post('{ hello }'), gateway.post('{ hello }')];
    expect(await Promise.race(others)).toMatchObject(unavailable);
    respondWith(people.calls[0], hello);
    expect(await first).toMatchObject({ data: { hello: 'hello' } });
    await people.call(2);
    respondWith(people.calls[1], hello);
    expect((await Promise.all(others)).map(({ data }) => data?.hello).sort()).toEqual(['hello', null]);
    expect(people.calls).toHaveLength(2);
  });

  // Regression: calls waited in the queue until SUBGRAPH_TIMEOUT, but clients give up earlier.
  it('fail when they have waited too long, and say when to retry', async () => {
    await using people = await startSubgraph();
    await using gateway = await startTestGateway({
      subgraphUrls: { people: people.url },
      environment: { SUBGRAPH_CONNECTIONS: '1', SUBGRAPH_QUEUE_TIMEOUT: '1ms' },
    });
    const first = gateway.post('{ hello }');
    await people.call(1);
    const body = JSON.stringify({ query: '{ hello }' });
    const late = await fetch(gateway.graphqlUrl, { method: 'POST', headers: json, body });
    expect(late.headers.get('retry-after')).toBe('1');
    expect(await late.json()).toMatchObject(unavailable);
    respondWith(people.calls[0], hello);
    expect(await first).toMatchObject({ data: { hello: 'hello' } });
    expect(people.calls).toHaveLength(1);
  });

  it('are released when their client leaves, and never sent', async () => {
    await using people = await startSubgraph();
    await using gateway = await startTestGateway({
      subgraphUrls: { people: people.url },
      environment: { SUBGRAPH_CONNECTIONS: '1', SUBGRAPH_QUEUE: '1' },
    });
    const first = gateway.post('{ hello }');
    await people.call(1);
    const ask = () => postAndLeave(gateway.graphqlUrl, '{ hello }');
    // One of the two calls is queued, and the other call is refused.
    const requested = [ask(), ask()];
    const refused = await Promise.race(
      requested.map(async ({ response }, index) => {
        const { errors } = (await (await response).json()) as { errors?: unknown };
        return { index, errors };
      }),
    );
    expect(refused.errors).toBeDefined();
    const left = requested[1 - refused.index];
    left?.leave();
    await expect(left?.response).rejects.toThrow('aborted');
    respondWith(people.calls[0], hello);
    expect(await first).toMatchObject({ data: { hello: 'hello' } });
    const last = gateway.post('{ hello }');
    await people.call(2);
    respondWith(people.calls[1], hello);
    expect(await last).toMatchObject({ data: { hello: 'hello' } });
    expect(people.calls).toHaveLength(2);
  });
});

describe('subgraph calls', () => {
  it.each([
    ['chunked', {}],
    ['with a length', { 'content-length': '20000' }],
  ])('a response over the limit is rejected, %s', async (_how, headers) => {
    await using people = await startSubgraph((response) => {
      response.writeHead(200, { ...json, ...headers });
      response.write(`{"data":{"hello":"${'x'.repeat(10_000)}`);
      response.end(`${'x'.repeat(20_000 - 10_018 - 3)}"}}`);
    });
    await using gateway = await startTestGateway({
      subgraphUrls: { people: people.url },
      environment: { MAX_SUBGRAPH_ANSWER_BYTES: '4096' },
    });
    expect(await gateway.post('{ hello }')).toMatchObject({
      data: { hello: null },
      errors: [{ path: ['hello'], extensions: { code: 'SUBGRAPH_INVALID_RESPONSE' } }],
    });
  });
});
