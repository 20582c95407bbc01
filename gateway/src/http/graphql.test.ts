import dns from 'node:dns';
import net from 'node:net';
import { CodedError } from '@voucher-gateway/platform/errors';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestGateway } from '../testing/gateway.ts';

const json = { 'content-type': 'application/json' };

it('http: answers a query over subgraphs, signed out or in', async () => {
  await using gateway = await startTestGateway();
  const ann = await gateway.signIn();
  gateway.world.stored = [{ id: 'm1', parcel: 'p1', customer: 'ann', place: 'Hue', recipient: { id: 'bob' } }];
  const query =
    '{ hello moves(customer: "ann", first: 5, after: "djE6") { edges { node { place recipient { name } } } } }';
  const data = { hello: 'hello', moves: { edges: [{ node: { place: 'Hue', recipient: { name: 'name of bob' } } }] } };
  expect(await gateway.post(query)).toMatchObject({ status: 200, data });
  expect(await gateway.post(query, { token: ann.token })).toMatchObject({ status: 200, data });
  expect(await gateway.post(query, { token: `Bearer ${ann.token}` })).toMatchObject({ status: 200, data });
});

it('subgraph calls: forward authorization, request id and address, and nothing else', async () => {
  await using gateway = await startTestGateway();
  const ann = await gateway.signIn();
  await fetch(gateway.graphqlUrl, {
    method: 'POST',
    headers: { ...json, authorization: ann.token, cookie: 'secret=1', 'x-forwarded-for': '10.0.0.1' },
    body: JSON.stringify({ query: '{ hello }' }),
  });
  const [call] = gateway.calls;
  expect(call).toMatchObject({ subgraph: 'people', headers: { authorization: ann.token } });
  expect(call?.headers['x-request-id']).toMatch(/^[\da-f-]{36}$/);
  // The client's own x-forwarded-for is ignored: it is not from a trusted proxy.
  expect(call?.headers['x-forwarded-for']).toBe('127.0.0.1');
  expect(Object.keys(call?.headers ?? {})).not.toContain('cookie');
});

it.each([
  ['a literal', 'mutation { greet(name: "\\u0000") }', {}, undefined],
  ['a variable', 'mutation ($name: String!) { greet(name: $name) }', { name: 'a\ud800' }, 'name'],
  ['a variable that nothing uses', '{ hello }', { more: { deep: '\0' } }, 'more.deep'],
])('http: refuses NUL and lone surrogates in %s at the gateway', async (_what, query, variables, argument) => {
  await using gateway = await startTestGateway();
  expect(await gateway.post(query, { variables })).toMatchObject({
    status: 400,
    errors: [{ extensions: { code: 'BAD_USER_INPUT', ...(argument !== undefined && { argument }) } }],
  });
  expect(gateway.calls).toEqual([]);
});

it('http: returns a request id, and forwards it to subgraphs', async () => {
  await using gateway = await startTestGateway();
  const response = await fetch(gateway.graphqlUrl, {
    method: 'POST',
    headers: { ...json, 'x-request-id': 'trace-1' },
    body: JSON.stringify({ query: '{ hello }' }),
  });
  expect(response.headers.get('x-request-id')).toBe('trace-1');
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(gateway.calls[0]?.headers['x-request-id']).toBe('trace-1');
  // The log lines of the subgraph and of the gateway.
  expect(gateway.log.text.match(/"requestId":"trace-1".*"route":"\/graphql"/g)).toHaveLength(2);
});

describe('http: before any subgraph is called', () => {
  let gateway: Awaited<ReturnType<typeof startTestGateway>>;
  beforeAll(async () => {
    gateway = await startTestGateway();
  });
  afterAll(() => gateway[Symbol.asyncDispose]());

  it.each([
    ['a query that is not GraphQL', { query: '{' }, 400, 'GRAPHQL_PARSE_FAILED'],
    ['an unknown field', { query: '{ nope }' }, 400, 'GRAPHQL_VALIDATION_FAILED'],
    ['an unknown argument', { query: '{ moves(nope: 1) { edges { cursor } } }' }, 400, 'GRAPHQL_VALIDATION_FAILED'],
    [
      'a field that clients may not see',
      { query: '{ moves { storedThrough { topic } } }' },
      400,
      'GRAPHQL_VALIDATION_FAILED',
    ],
    [
      'a variable of another type',
      { query: 'query ($n: Int) { moves(first: $n) { edges { cursor } } }', variables: { n: 'x' } },
      400,
      'BAD_USER_INPUT',
    ],
    ['a variable that is missing', { query: 'mutation ($n: String!) { greet(name: $n) }' }, 400, 'BAD_USER_INPUT'],
    [
      'an unknown operation name',
      { query: 'query A { hello }', operationName: 'B' },
      400,
      'OPERATION_RESOLUTION_FAILURE',
    ],
    ['a query that is not a string', { query: 5 }, 400, 'BAD_REQUEST'],
    ['no query', {}, 400, 'BAD_REQUEST'],
    ['a batch', [{ query: '{ hello }' }], 400, 'BAD_REQUEST'],
    ['a subscription', { query: 'subscription { moved { cursor } }' }, 400, 'BAD_REQUEST'],
    ['a body that is not JSON', 'hello', 400, 'BAD_USER_INPUT'],
    ['a body over the limit', `{"query": "${'x'.repeat(300_000)}"}`, 413, 'REQUEST_TOO_LARGE'],
  ])('refuses %s with a status and a code', async (_what, body, status, code) => {
    const response = await fetch(gateway.graphqlUrl, {
      method: 'POST',
      headers: json,
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code } }] });
    expect(gateway.calls).toEqual([]);
  });

  it('refuses a form, which a foreign page could send without a preflight', async () => {
    const response = await fetch(gateway.graphqlUrl, {
      method: 'POST',
      body: new URLSearchParams({ query: '{ hello }' }),
    });
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
  });

  it.each(['forged', 'unsigned', 'expired', 'for another audience', 'of another issuer', 'gibberish'])(
    'refuses a token that is %s with 401 UNAUTHENTICATED',
    async (kind) => {
      const { token } = await gateway.signIn(
        'ann',
        {
          expired: { exp: Math.floor(gateway.clock.now() / 1_000) - 1 },
          'for another audience': { aud: 'other' },
          'of another issuer': { iss: 'other' },
        }[kind],
      );
      const [header, payload, signature] = token.split('.') as [string, string, string];
      const none = Buffer.from('{"alg":"none"}').toString('base64url');
      const input =
        {
          forged: `${header}.${payload}.${signature.split('').reverse().join('')}`,
          unsigned: `${none}.${payload}.`,
          gibberish: 'x',
        }[kind] ?? token;
      const answer = await gateway.post('{ hello }', { token: input });
      expect(answer).toMatchObject({ status: 401, errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
      expect(gateway.calls).toEqual([]);
    },
  );
});

it('session: ends ten minutes after its last request, and not before', async () => {
  await using gateway = await startTestGateway();
  const { token } = await gateway.signIn();
  for (let request = 0; request < 3; request += 1) {
    gateway.clock.advance(599_000);
    expect(await gateway.post('{ hello }', { token })).toMatchObject({ data: { hello: 'hello' } });
  }
  gateway.clock.advance(601_000);
  expect(await gateway.post('{ hello }', { token })).toMatchObject({
    status: 401,
    errors: [{ extensions: { code: 'SESSION_EXPIRED' } }],
  });
});

it('session: is not recreated by a touch after sign-out', async () => {
  await using gateway = await startTestGateway();
  const ann = await gateway.signIn();
  await gateway.engines.keyValue.delete(`session:${ann.sid}`);
  for (let request = 0; request < 2; request += 1)
    expect(await gateway.post('{ hello }', { token: ann.token })).toMatchObject({
      errors: [{ extensions: { code: 'SESSION_EXPIRED' } }],
    });
});

it('session: tokens of a revoked key are refused at once', async () => {
  await using gateway = await startTestGateway();
  const { token } = await gateway.signIn();
  expect(await gateway.post('{ hello }', { token })).toMatchObject({ status: 200 });
  await gateway.endSession({ kid: gateway.issuer.kid });
  await expect
    .poll(() => gateway.post('{ hello }', { token }))
    .toMatchObject({ status: 401, errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
});

it('session store: if unavailable the error is retryable, signed-out requests work', async () => {
  const away = () => Promise.reject(new CodedError('KEY_VALUE_UNAVAILABLE', 'away', { retryable: true }));
  await using gateway = await startTestGateway({ keyValue: { touch: away, ping: away } });
  const { token } = await gateway.signIn();
  expect(await gateway.post('{ hello }', { token })).toMatchObject({
    status: 503,
    errors: [{ extensions: { code: 'SESSION_STORE_UNAVAILABLE', retryable: true } }],
  });
  expect(await gateway.post('{ hello }')).toMatchObject({ data: { hello: 'hello' } });
  const ready = await fetch(`${gateway.url}/health/ready`);
  expect([ready.status, await ready.json()]).toMatchObject([
    503,
    { status: 'unavailable', engines: { 'key-value': 'away', topics: 'ok' } },
  ]);
});

it('signing keys: a failed fetch is a retryable error', async () => {
  await using gateway = await startTestGateway({ jwksUrl: 'http://127.0.0.1:9/jwks.json' });
  const { token } = await gateway.signIn();
  expect(await gateway.post('{ hello }', { token })).toMatchObject({
    status: 503,
    errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE', retryable: true } }],
  });
});

it('http: returns partial data while a subgraph is down, with an error at its path', async () => {
  await using gateway = await startTestGateway({ subgraphUrls: { people: 'http://127.0.0.1:9/graphql' } });
  gateway.world.stored = [{ id: 'm1', parcel: 'p1', customer: 'ann', place: 'Hue', recipient: { id: 'bob' } }];
  const answer = await gateway.post(
    '{ moves(customer: "ann", first: 5, after: "djE6") { edges { node { place recipient { name } } } } }',
  );
  expect(answer.data).toMatchObject({ moves: { edges: [{ node: { place: 'Hue', recipient: null } }] } });
  expect(answer.errors).toMatchObject([{ extensions: { code: 'SUBGRAPH_UNAVAILABLE', retryable: true } }]);
  expect(JSON.stringify(answer.errors)).not.toContain('127.0.0.1');
});

it.each([
  ['a page', 200, '<html>', 'SUBGRAPH_INVALID_RESPONSE'],
  ['JSON that is not GraphQL', 200, '{"hello": 1}', 'SUBGRAPH_INVALID_RESPONSE'],
  ['a proxy’s error page', 502, 'Bad Gateway', 'SUBGRAPH_UNAVAILABLE'],
])('subgraph calls: report a subgraph that answers %s', async (_what, status, body, code) => {
  await using subgraph = await startReceiver({ path: '/graphql' });
  subgraph.answerWith({ status, body });
  await using gateway = await startTestGateway({ subgraphUrls: { people: subgraph.url } });
  expect(await gateway.post('{ hello }')).toMatchObject({ errors: [{ extensions: { code } }] });
});

it('subgraph calls: are aborted when the client disconnects', async () => {
  await using subgraph = await startReceiver({ path: '/graphql' });
  subgraph.answerWith('hang');
  await using gateway = await startTestGateway({ subgraphUrls: { people: subgraph.url } });
  const gone = new AbortController();
  const requested = fetch(gateway.graphqlUrl, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ query: '{ hello }' }),
    signal: gone.signal,
  });
  const call = await subgraph.next();
  gone.abort();
  await expect(requested).rejects.toThrow('aborted');
  await call.closed;
});

/** The allowed origin in the response to a preflight; null if pages of this origin may not call. */
async function preflight(url: string, origin: string): Promise<string | null> {
  const { headers } = await fetch(url, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
  });
  return headers.get('access-control-allow-origin');
}

it('origins: only pages of allowed origins may call', async () => {
  await using gateway = await startTestGateway({ environment: { ALLOWED_ORIGINS: 'https://shop.example' } });
  expect(await preflight(gateway.graphqlUrl, 'https://shop.example')).toBe('https://shop.example');
  expect(await preflight(gateway.graphqlUrl, 'https://evil.example')).toBeNull();
  expect(await preflight(gateway.graphqlUrl, 'http://localhost:3000')).toBeNull();
});

it('origins: * allows any page, even in production', async () => {
  await using gateway = await startTestGateway({ environment: { ALLOWED_ORIGINS: '*', NODE_ENV: 'production' } });
  for (const origin of ['https://any.example', 'null'])
    expect(await preflight(gateway.graphqlUrl, origin)).toBe(origin);
});

it('playground: is served to browsers with all its assets', async () => {
  await using gateway = await startTestGateway();
  for (const path of ['/', '/graphql']) {
    const response = await fetch(gateway.url + path, { headers: { accept: 'text/html,*/*;q=0.8' } });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self'");
    const page = await response.text();
    const assets = [...page.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, asset]) => asset);
    expect(assets.length).toBeGreaterThan(0);
    expect(page).not.toMatch(/(src|href)="(https?:)?\/\//);
    for (const asset of assets) expect((await fetch(gateway.url + asset)).status).toBe(200);
  }
});

it('production: playground and introspection are off by default', async () => {
  await using gateway = await startTestGateway({ environment: { NODE_ENV: 'production' } });
  const page = await fetch(gateway.graphqlUrl, { headers: { accept: 'text/html' } });
  expect(page.headers.get('content-type')).not.toContain('text/html');
  expect(await gateway.post('{ __schema { types { name } } }')).toMatchObject({
    errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }],
  });
  await using enabled = await startTestGateway({
    environment: { NODE_ENV: 'production', PLAYGROUND: 'true', INTROSPECTION: 'true' },
  });
  const shown = await fetch(enabled.graphqlUrl, { headers: { accept: 'text/html' } });
  expect(shown.headers.get('content-type')).toContain('text/html');
  expect(await enabled.post('{ __schema { queryType { name } } }')).toMatchObject({ status: 200 });
});

it('telemetry: is off, even with an Apollo key in the environment', async () => {
  using connect = vi.spyOn(net.Socket.prototype, 'connect');
  using lookup = vi.spyOn(dns, 'lookup');
  vi.stubEnv('APOLLO_KEY', 'service:test:secret');
  vi.stubEnv('APOLLO_GRAPH_REF', 'test@current');
  vi.stubEnv('APOLLO_TELEMETRY_DISABLED', '');
  try {
    await using gateway = await startTestGateway();
    await gateway.post('{ hello }');
  } finally {
    vi.unstubAllEnvs();
  }
  const hosts = new Set(connect.mock.calls.flat(3).flatMap((input) => (input as { host?: string } | null)?.host ?? []));
  expect([...hosts]).toEqual(['127.0.0.1']);
  expect(new Set(lookup.mock.calls.map(([host]) => host))).toEqual(new Set(['127.0.0.1']));
});

it('log: contains no token', async () => {
  await using gateway = await startTestGateway();
  const { token } = await gateway.signIn();
  await gateway.post('{ hello }', { token });
  await gateway.post('{ nope }', { token });
  await gateway.post('{ hello }', { token: `${token}x` });
  expect(gateway.log.text).not.toContain(token.slice(0, 40));
});

it('readiness: reports the planner, but does not depend on it', async () => {
  await using gateway = await startTestGateway();
  const ready = async () => {
    const response = await fetch(`${gateway.url}/health/ready`);
    return [response.status, ((await response.json()) as { engines: object }).engines];
  };
  expect((await ready())[0]).toBe(200);
  await expect.poll(ready).toEqual([200, { 'key-value': 'ok', topics: 'ok', planner: 'ok' }]);
});
