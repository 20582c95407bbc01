import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { startTestGateway } from '../testing/gateway.ts';

const json = { 'content-type': 'application/json' };
const hello = JSON.stringify({ data: { hello: 'hello' } });

/** A subgraph whose responses the test writes. */
async function startSubgraph(answer: (response: ServerResponse, body: string) => void) {
  const calls: IncomingMessage[] = [];
  const watchers = new Set<() => void>();
  const server = createServer(async (request, response) => {
    response.on('error', () => {});
    const body = await text(request).catch(() => '');
    calls.push(request);
    for (const watcher of watchers) watcher();
    answer(response, body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    calls,
    untilCalls: (count: number) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (calls.length < count) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

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
    const answers = await Promise.all([1, 2, 3].map(() => gateway.post('{ hello }')));
    expect(answers).toMatchObject([unavailable, unavailable, unavailable]);
    expect(people.calls).toHaveLength(1);
  });
});

describe('subgraph calls: queued calls', () => {
  it.each([
    ['calls', { SUBGRAPH_QUEUE: '1' }],
    ['bytes', { SUBGRAPH_QUEUE_BYTES: '50' }],
  ])('are bounded in %s: more fail at once', async (_what, environment) => {
    const waiting: ServerResponse[] = [];
    await using people = await startSubgraph((response) => void waiting.push(response));
    await using gateway = await startTestGateway({
      subgraphUrls: { people: people.url },
      environment: { ...environment, SUBGRAPH_CONNECTIONS: '1' },
    });
    const first = gateway.post('{ hello }');
    await people.untilCalls(1);
    // Of two new calls one is queued. The other fails at once, while nothing else has ended.
    const others = [gateway.post('{ hello }'), gateway.post('{ hello }')];
    expect(await Promise.race(others)).toMatchObject(unavailable);
    waiting[0]?.writeHead(200, json).end(hello);
    expect(await first).toMatchObject({ data: { hello: 'hello' } });
    await people.untilCalls(2);
    waiting[1]?.writeHead(200, json).end(hello);
    expect((await Promise.all(others)).map(({ data }) => data?.hello).sort()).toEqual(['hello', null]);
    expect(people.calls).toHaveLength(2);
  });

  // Regression: calls waited for as long as a running call may take, which is longer than clients wait.
  it('fail when they have waited too long, and say when to retry', async () => {
    const waiting: ServerResponse[] = [];
    await using people = await startSubgraph((response) => void waiting.push(response));
    await using gateway = await startTestGateway({
      subgraphUrls: { people: people.url },
      environment: { SUBGRAPH_CONNECTIONS: '1', SUBGRAPH_QUEUE_TIMEOUT: '1ms' },
    });
    const first = gateway.post('{ hello }');
    await people.untilCalls(1);
    const body = JSON.stringify({ query: '{ hello }' });
    const late = await fetch(gateway.graphqlUrl, { method: 'POST', headers: json, body });
    expect(late.headers.get('retry-after')).toBe('1');
    expect(await late.json()).toMatchObject(unavailable);
    waiting[0]?.writeHead(200, json).end(hello);
    expect(await first).toMatchObject({ data: { hello: 'hello' } });
    expect(people.calls).toHaveLength(1);
  });

  it('are released when their client leaves, and never sent', async () => {
    const waiting: ServerResponse[] = [];
    await using people = await startSubgraph((response) => void waiting.push(response));
    await using gateway = await startTestGateway({
      subgraphUrls: { people: people.url },
      environment: { SUBGRAPH_CONNECTIONS: '1', SUBGRAPH_QUEUE: '1' },
    });
    const first = gateway.post('{ hello }');
    await people.untilCalls(1);
    const ask = () => {
      const leaving = new AbortController();
      const body = JSON.stringify({ query: '{ hello }' });
      const sent = fetch(gateway.graphqlUrl, { method: 'POST', headers: json, body, signal: leaving.signal });
      return { leaving, answer: sent.then((response) => response.json() as Promise<{ errors?: unknown }>) };
    };
    // One of the two is queued, the other is refused.
    const requested = [ask(), ask()];
    const refused = await Promise.race(requested.map(async ({ answer }, index) => ({ index, ...(await answer) })));
    expect(refused.errors).toBeDefined();
    const left = requested[1 - refused.index];
    left?.leaving.abort();
    await expect(left?.answer).rejects.toThrow('aborted');
    waiting[0]?.writeHead(200, json).end(hello);
    expect(await first).toMatchObject({ data: { hello: 'hello' } });
    const last = gateway.post('{ hello }');
    await people.untilCalls(2);
    waiting[1]?.writeHead(200, json).end(hello);
    expect(await last).toMatchObject({ data: { hello: 'hello' } });
    expect(people.calls).toHaveLength(2);
  });
});

it.each([
  ['chunked', {}],
  ['with a length', { 'content-length': '20000' }],
])('subgraph calls: a response over the limit is rejected, %s', async (_how, headers) => {
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

it.each(['null', '[]'])('subgraph calls: `errors: %s` in a response counts as no errors', async (errors) => {
  await using people = await startSubgraph((response) =>
    response.writeHead(200, json).end(`{"data":{"hello":"hello"},"errors":${errors}}`),
  );
  await using gateway = await startTestGateway({ subgraphUrls: { people: people.url } });
  const { data, errors: seen } = await gateway.post('{ hello }');
  expect([data, seen]).toEqual([{ hello: 'hello' }, undefined]);
});

it('subgraph calls: a client’s disconnection is not a failure of the subgraph', async () => {
  let isSilent = true;
  await using people = await startSubgraph((response) => {
    if (!isSilent) response.writeHead(200, json).end(hello);
  });
  await using gateway = await startTestGateway({ subgraphUrls: { people: people.url } });
  const leaving = new AbortController();
  const left = fetch(gateway.graphqlUrl, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ query: '{ hello }' }),
    signal: leaving.signal,
  });
  await people.untilCalls(1);
  const closed = once(people.calls[0]?.socket as never, 'close');
  leaving.abort();
  await expect(left).rejects.toThrow('aborted');
  await closed;
  isSilent = false;
  expect(await gateway.post('{ hello }')).toMatchObject({ data: { hello: 'hello' } });
  expect(gateway.log.text).not.toMatch(/a subgraph failed|an operation failed|a resolver failed/);
});

describe('subgraph calls: a failed fetch', () => {
  const away = { people: 'http://127.0.0.1:9/graphql' };
  const recipient = { id: 'bob' };
  const move = (id: string) => ({ id, parcel: 'p1', customer: 'ann', place: 'Hue', recipient });

  it('has an error at each root field', async () => {
    await using gateway = await startTestGateway({ subgraphUrls: away });
    const { errors } = await gateway.post('{ hello again: hello }');
    expect(errors?.map(({ path }) => path)).toEqual([['hello'], ['again']]);
  });

  it('has an error at the path of its list of entities', async () => {
    await using gateway = await startTestGateway({ subgraphUrls: away });
    gateway.world.stored = [move('m1'), move('m2')];
    const { errors } = await gateway.post(
      '{ list: moves(customer: "ann", first: 5, after: "djE6") { edges { node { recipient { name } } } } }',
    );
    expect(errors?.map(({ path }) => path)).toEqual([['list', 'edges']]);
  });

  it('has an error at the path of its entity, in an event', async () => {
    await using gateway = await startTestGateway({ subgraphUrls: away });
    const { token } = await gateway.signIn('ann');
    const events = gateway
      .connect(token)
      .client.iterate({ query: 'subscription { moved { node { recipient { name } } } }' });
    const first = events.next();
    await gateway.untilSubscribed(1);
    await gateway.publish(move('m1'));
    expect((await first).value).toMatchObject({
      data: { moved: { node: { recipient: null } } },
      errors: [{ path: ['moved', 'node', 'recipient'], extensions: { code: 'SUBGRAPH_UNAVAILABLE' } }],
    });
  });
});

describe('subgraph calls: the log', () => {
  const ask = (url: string, requestId: string) =>
    fetch(url, {
      method: 'POST',
      headers: { ...json, 'x-request-id': requestId },
      body: JSON.stringify({ query: '{ hello }' }),
    }).then((response) => response.json());
  const linesOf = (text: string, message: string) =>
    text
      .split('\n')
      .filter((line) => line.includes(message))
      .map((line) => JSON.parse(line));

  // Regression: there was a line per failed call, without the request's id.
  it('has one line for many failed calls, with the request’s id', async () => {
    await using gateway = await startTestGateway({ subgraphUrls: { people: 'http://127.0.0.1:9/graphql' } });
    for (let call = 0; call < 20; call += 1) await ask(gateway.graphqlUrl, `call-${call}`);
    expect(linesOf(gateway.log.text, 'a subgraph failed')).toMatchObject([
      { subgraph: 'people', code: 'SUBGRAPH_UNAVAILABLE', requestId: 'call-0', count: 1 },
    ]);
  });

  it('has one line for many masked failures, with the request’s id', async () => {
    const failed = JSON.stringify({
      data: { hello: null },
      errors: [{ message: 'select * from secrets', path: ['hello'], extensions: { code: 'INTERNAL_SERVER_ERROR' } }],
    });
    await using people = await startSubgraph((response) => response.writeHead(200, json).end(failed));
    await using gateway = await startTestGateway({ subgraphUrls: { people: people.url } });
    for (let call = 0; call < 20; call += 1)
      expect(await ask(gateway.graphqlUrl, `call-${call}`)).toEqual({
        data: { hello: null },
        errors: [
          {
            message: 'Something went wrong on our side.',
            path: ['hello'],
            extensions: { code: 'INTERNAL_SERVER_ERROR' },
          },
        ],
      });
    expect(linesOf(gateway.log.text, 'an operation failed')).toMatchObject([
      { subgraph: 'people', requestId: 'call-0', path: ['hello'], count: 1 },
    ]);
    expect(gateway.log.text).not.toContain('a resolver failed');
  });
});
