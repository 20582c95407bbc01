import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../testing/gateway.ts';
import { move } from '../testing/supergraphs/moves.ts';

const json = { 'content-type': 'application/json' };

describe('http', () => {
  it('answers a query over subgraphs, signed out or in', async () => {
    await using gateway = await startTestGateway();
    const ann = await gateway.signIn();
    gateway.world.stored = [move('m1')];
    const query =
      '{ hello moves(customer: "ann", first: 5, after: "djE6") { edges { node { place recipient { name } } } } }';
    const data = { hello: 'hello', moves: { edges: [{ node: { place: 'Hue', recipient: { name: 'name of bob' } } }] } };
    expect(await gateway.post(query)).toMatchObject({ status: 200, data });
    expect(await gateway.post(query, { token: ann.token })).toMatchObject({ status: 200, data });
    expect(await gateway.post(query, { token: `Bearer ${ann.token}` })).toMatchObject({ status: 200, data });
  });

  it.each([
    ['a literal', 'mutation { greet(name: "\\u0000") }', {}, undefined],
    ['a variable', 'mutation ($name: String!) { greet(name: $name) }', { name: 'a\ud800' }, 'name'],
    ['a variable that nothing uses', '{ hello }', { more: { deep: '\0' } }, 'more.deep'],
  ])('refuses NUL and lone surrogates in %s at the gateway', async (_what, query, variables, argument) => {
    await using gateway = await startTestGateway();
    expect(await gateway.post(query, { variables })).toMatchObject({
      status: 400,
      errors: [{ extensions: { code: 'BAD_USER_INPUT', ...(argument !== undefined && { argument }) } }],
    });
    expect(gateway.calls).toEqual([]);
  });

  it('returns a request id, and forwards it to subgraphs', async () => {
    await using gateway = await startTestGateway();
    const response = await fetch(gateway.graphqlUrl, {
      method: 'POST',
      headers: { ...json, 'x-request-id': 'trace-1' },
      body: JSON.stringify({ query: '{ hello }' }),
    });
    expect(response.headers.get('x-request-id')).toBe('trace-1');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(gateway.calls[0]?.headers['x-request-id']).toBe('trace-1');
    // One line is from the gateway, and one from the subgraph.
    expect(gateway.log.text.match(/"requestId":"trace-1".*"route":"\/graphql"/g)).toHaveLength(2);
  });
});

describe('http: before any subgraph is called', () => {
  let gateway: TestGateway;
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
