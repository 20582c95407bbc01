import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { request as send } from 'node:http';
import { text } from 'node:stream/consumers';
import { ApolloServer, type HTTPGraphQLRequest } from '@apollo/server';
import { sessionKey } from '@voucher-gateway/schema/session';
import type { FastifyRequest } from 'fastify';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { postAndLeave } from '../testing/clients/leaving-client.ts';
import { startTestGateway, type TestGateway } from '../testing/gateway.ts';
import {
  hello,
  others,
  persisted,
  post,
  type Sent,
  short,
  texts,
  two,
  typed,
} from '../testing/operations/known-operation-cases.ts';
import { respondWith, startSubgraph } from '../testing/servers/subgraph.ts';

let isHeld = false;
let gateway: TestGateway;
let subgraph: Awaited<ReturnType<typeof startSubgraph>>;
beforeAll(async () => {
  subgraph = await startSubgraph((response, body) => {
    if (isHeld) return;
    if (body.includes('openingHours'))
      return respondWith(response, {
        data: { openingHours: null },
        errors: [
          {
            message: 'Closed “now”.',
            path: ['openingHours'],
            extensions: { code: 'RATE_LIMITED', retryAfterSeconds: 7 },
          },
          { message: 'secret', extensions: { http: { status: 418 }, stacktrace: ['x'] } },
        ],
      });
    if (body.includes('register')) return response.writeHead(500).end();
    const data = { hello: 'héllo\u2028', greet: 'hi' };
    return respondWith(response, { data });
  });
  gateway = await startTestGateway({ subgraphUrls: { people: subgraph.url } });
  for (const query of texts) await exchange(post({ query, extensions: persisted(query) }));
  for (const operationName of ['A', 'B']) await exchange(post({ query: two, operationName }));
  for (const is of [true, false]) await exchange(post({ query: typed, variables: { is } }));
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await subgraph[Symbol.asyncDispose]();
});
afterEach(() => void vi.restoreAllMocks());

/** Sends a request, and returns the response without its date. */
async function exchange({ method = 'POST', search = [], body, chunks, headers }: Sent) {
  const request = send(`${gateway.graphqlUrl}${search.length > 0 ? `?${new URLSearchParams(search)}` : ''}`, {
    method,
    agent: false,
    headers: {
      'x-request-id': 'test',
      ...(method === 'POST' && { 'content-type': 'application/json' }),
      ...headers,
    },
  });
  for (const chunk of chunks ?? []) await new Promise((resolve) => request.write(chunk, resolve));
  request.end(typeof body === 'string' || body === undefined ? body : JSON.stringify(body));
  const [response] = await once(request, 'response');
  const { statusCode, rawHeaders } = response;
  return {
    status: statusCode,
    text: await text(response),
    headers: rawHeaders.filter((value: string) => !value.includes('GMT')),
  };
}

/** Changes a request so that Apollo Server answers it, and not the code for known operations. */
function byApollo({ headers = {}, ...sent }: Sent): Sent {
  const type = headers['content-type'] ?? 'application/json';
  return { ...sent, headers: { ...headers, 'content-type': `${type}; way="apollo"` } };
}

/** Counts the clients' requests that Apollo Server answers from now on; requests to subgraphs do not count. */
function countByApollo(): () => number {
  const answer = vi.spyOn(ApolloServer.prototype, 'executeHTTPGraphQLRequest');
  const isClient = ({ httpGraphQLRequest: { headers } }: { httpGraphQLRequest: HTTPGraphQLRequest }) =>
    !headers.has('x-forwarded-for');
  return () => answer.mock.calls.filter(([call]) => isClient(call)).length;
}

/** Counts the clients' requests that Fastify handles, until disposed; requests to subgraphs do not count. */
function countByFastify() {
  const channel = 'tracing:fastify.request.handler:start';
  let count = 0;
  const onStart = (message: unknown) => {
    const { request } = message as { request: FastifyRequest };
    if (request.headers['x-forwarded-for'] === undefined) count += 1;
  };
  diagnostics.subscribe(channel, onStart);
  return { read: () => count, [Symbol.dispose]: () => void diagnostics.unsubscribe(channel, onStart) };
}

describe('a known operation', () => {
  it.each(short)('with %s is answered without Apollo Server, and as it would', async (_what, sent) => {
    const expected = await exchange(byApollo(sent));
    const count = countByApollo();
    expect(await exchange(sent)).toEqual(expected);
    expect(count()).toBe(0);
    expect(await exchange(byApollo(sent))).toEqual(expected);
    expect(count()).toBe(1);
  });

  it.each(short.filter(([, { method }]) => method !== 'GET'))(
    'that is posted with %s is answered without Fastify, and as it would',
    async (_what, sent) => {
      const expected = await exchange({ ...sent, search: [['way', 'fastify']] });
      using count = countByFastify();
      expect(await exchange(sent)).toEqual(expected);
      expect(count.read()).toBe(0);
      expect(await exchange({ ...sent, search: [['way', 'fastify']] })).toEqual(expected);
      expect(count.read()).toBe(1);
    },
  );

  it.each(others)('with %s is left to Apollo Server', async (_what, sent) => {
    const count = countByApollo();
    await exchange(sent);
    expect(count()).toBe(1);
  });

  it('is answered by Apollo Server at first sight', async () => {
    const sent = post({ query: '{ hello openingHours }' });
    const count = countByApollo();
    const first = await exchange(sent);
    expect(count()).toBe(1);
    expect(await exchange(sent)).toEqual(first);
    expect(count()).toBe(1);
  });
});

describe('a known operation of a session', () => {
  it('is authenticated for each request, and refused once the session has ended', async () => {
    const { token, sid } = await gateway.signIn();
    const sent = post({ query: hello }, { authorization: `Bearer ${token}` });
    const count = countByApollo();
    expect((await exchange(sent)).status).toBe(200);
    expect(count()).toBe(0);
    const { headers } = (await subgraph.call(subgraph.calls.length)).req;
    expect(headers.authorization).toBe(`Bearer ${token}`);
    expect(await gateway.engines.keyValue.delete(sessionKey(sid))).toBe(true);
    const refused = await exchange(sent);
    expect([refused.status, JSON.parse(refused.text).errors[0].extensions.code]).toEqual([401, 'SESSION_EXPIRED']);
  });

  it('lasts for another idle time after each request', async () => {
    const { token } = await gateway.signIn();
    const sent = post({ query: hello }, { authorization: `Bearer ${token}` });
    const idleMs = 600_000;
    for (let turn = 0; turn < 3; turn += 1) {
      gateway.clock.advance(0.8 * idleMs);
      expect((await exchange(sent)).status).toBe(200);
    }
  });
});

describe('a hostile request for a known operation', () => {
  const bytes = (text: string) => Buffer.from(text, 'latin1');

  it.each([
    ['sent byte by byte', Array.from(JSON.stringify({ query: hello }), bytes), 200],
    ['with bytes that are no UTF-8', [bytes('{"query":"{ hello }","variables":{"a":"\xff\xc0"}}')], 200],
    ['with an own __proto__', [bytes('{"query":"{ hello }","variables":{"__proto__":{"a":1}}}')], 400],
    ['with an own constructor', [bytes('{"query":"{ hello }","extensions":{"constructor":{"prototype":1}}}')], 400],
    ['nested deeply', [bytes(`{"query":"{ hello }","variables":{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}}`)], 400],
    ['with an empty body', [], 400],
    ['with half a body', [bytes('{"query":"{ hello }"')], 400],
  ])('%s gets what Apollo Server sends', async (_what, chunks, status) => {
    const expected = await exchange(byApollo({ chunks }));
    expect(expected.status).toBe(status);
    expect(await exchange({ chunks })).toEqual(expected);
  });

  it('whose client leaves is cancelled at the subgraph', async () => {
    const query = '{ hello slow: hello }';
    await exchange(post({ query }));
    const calls = subgraph.calls.length;
    isHeld = true;
    const { response, leave } = postAndLeave(gateway.graphqlUrl, query);
    const call = await subgraph.call(calls + 1);
    leave();
    await expect(response).rejects.toThrow();
    await once(call, 'close');
    isHeld = false;
    expect(call.writableFinished).toBe(false);
  });
});
