import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../testing/gateway.ts';
import { move } from '../testing/supergraphs/moves.ts';

type Answer = { data?: unknown; errors?: { message: string; extensions?: Record<string, unknown> }[] };
type Request = { query?: string; variables?: object; operationName?: string; extensions?: object };

/** For each transport, a function that sends a request and returns the result. */
const transports: Record<string, (gateway: TestGateway, request: Request) => Promise<Answer>> = {
  'HTTP POST': async ({ graphqlUrl }, request) => {
    const response = await fetch(graphqlUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
    return (await response.json()) as Answer;
  },
  'HTTP GET': async ({ graphqlUrl }, { query, variables, extensions, operationName }) => {
    const url = new URL(graphqlUrl);
    if (query !== undefined) url.searchParams.set('query', query);
    if (operationName) url.searchParams.set('operationName', operationName);
    if (variables) url.searchParams.set('variables', JSON.stringify(variables));
    if (extensions) url.searchParams.set('extensions', JSON.stringify(extensions));
    const response = await fetch(url, { headers: { 'apollo-require-preflight': '1' } });
    return (await response.json()) as Answer;
  },
  'Server-Sent Events': async ({ graphqlUrl }, request) => {
    const response = await fetch(graphqlUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify(request),
    });
    const text = await response.text();
    return JSON.parse(/^data: (\{.*\})$/m.exec(text)?.[1] ?? text) as Answer;
  },
  WebSocket: (gateway, request) => {
    const { client } = gateway.connect(null);
    return new Promise((resolve) => {
      client.subscribe<unknown>({ query: '', ...request } as never, {
        next: (answer) => resolve(answer as Answer),
        error: (errors) => resolve({ errors: errors as Answer['errors'] }),
        complete: () => {},
      });
    });
  },
};

const nested = (open: string, close: string, times: number) => open.repeat(times) + close.repeat(times);
const doubled = Array.from(
  { length: 14 },
  (_, index) => `fragment F${index} on Person { ...F${index + 1} @include(if: $a) ...F${index + 1} @skip(if: $a) }`,
).join(' ');
const introspections = Array.from({ length: 1_500 }, (_, index) => `a${index}: __schema { ...T }`).join(' ');

const refusals: [what: string, request: Request, code: string, limit?: string][] = [
  ['a text that is no GraphQL', { query: '{ hello' }, 'GRAPHQL_PARSE_FAILED'],
  ['an unknown field', { query: '{ helo }' }, 'GRAPHQL_VALIDATION_FAILED'],
  ['an unknown operation', { query: 'query A { hello }', operationName: 'B' }, 'OPERATION_RESOLUTION_FAILURE'],
  ['an unknown hash', { extensions: hashed('{ hello }') }, 'PERSISTED_QUERY_NOT_FOUND'],
  // Regression: over WebSocket and GET, these variables were passed on, and subgraphs refused the request.
  [
    'a key __proto__ in a variable',
    { query: '{ hello }', variables: { a: JSON.parse('{"__proto__":1}') } },
    'BAD_USER_INPUT',
  ],
  [
    'a value for a variable __proto__',
    { query: '{ hello }', variables: JSON.parse('{"__proto__":1}') },
    'BAD_USER_INPUT',
  ],
  ['a NUL in a variable', { query: '{ hello }', variables: { a: '\0' } }, 'BAD_USER_INPUT'],
  ['2,500 nested fragments', { query: nested('{...', '}', 2_500) }, 'OPERATION_TOO_COMPLEX', 'nesting'],
  ['20,000 nested lists', { query: `{ a(b: ${nested('[', ']', 20_000)}) }` }, 'OPERATION_TOO_COMPLEX', 'nesting'],
  [
    'conditions that double 14 times',
    {
      query: `query($a: Boolean = true) { moves { edges { node { recipient { ...F0 } } } } } ${doubled} fragment F14 on Person { id }`,
    },
    'OPERATION_TOO_COMPLEX',
    'MAX_DIRECTIVES',
  ],
  ['3,000 root fields', { query: `{ ${'hello '.repeat(3_000)} }` }, 'OPERATION_TOO_COMPLEX', 'MAX_ROOT_FIELDS'],
  [
    'the schema 1,500 times',
    { query: `{ ${introspections} } fragment T on __Schema { types { name fields { name } } }` },
    'OPERATION_TOO_COMPLEX',
  ],
  ['introspection where it is off', { query: '{ __schema { types { name } } }' }, 'GRAPHQL_VALIDATION_FAILED'],
];

function hashed(query: string) {
  return { persistedQuery: { version: 1, sha256Hash: createHash('sha256').update(query).digest('hex') } };
}

describe.each(Object.entries(transports))('one pipeline over %s', (transport, ask) => {
  it('refuses the same, suggests no names, and continues to serve', async () => {
    await using gateway = await startTestGateway({ environment: { INTROSPECTION: 'false' } });
    for (const [what, request, code, limit] of refusals) {
      // Large requests do not fit into a URL.
      if (transport === 'HTTP GET' && JSON.stringify(request).length > 12_000) continue;
      const answer = await ask(gateway, request);
      expect([what, answer.errors?.[0]?.extensions?.code]).toEqual([what, code]);
      if (limit) expect(answer.errors?.[0]?.extensions?.limit).toBe(limit);
      expect(answer.data ?? null).toBeNull();
      expect(JSON.stringify(answer)).not.toMatch(/Did you mean|stack|RangeError|node_modules/);
    }
    expect(await ask(gateway, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
  });

  it('executes the named operation', async () => {
    await using gateway = await startTestGateway();
    const query = 'query A { hello } query B { openingHours }';
    expect(await ask(gateway, { query, operationName: 'B' })).toEqual({ data: { openingHours: '9 to 5' } });
    expect(await ask(gateway, { query: 'query A { hello }', operationName: 'A' })).toEqual({
      data: { hello: 'hello' },
    });
  });

  it('stores persisted queries', async () => {
    await using gateway = await startTestGateway();
    const extensions = hashed('{ hello }');
    expect(await ask(gateway, { query: '{ hello }', extensions })).toEqual({ data: { hello: 'hello' } });
    expect(await ask(gateway, { extensions })).toEqual({ data: { hello: 'hello' } });
  });
});

describe('subscription', () => {
  it('works under a true condition, and is refused under a false one', async () => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn('ann');
    const { client } = gateway.connect(`Bearer ${token}`);
    const query = 'subscription ($a: Boolean!) { moved @include(if: $a) { node { place } } }';
    const left = await new Promise((resolve) =>
      client.subscribe({ query, variables: { a: false } }, { next: resolve, error: resolve, complete: () => {} }),
    );
    expect(left).toMatchObject([
      { extensions: { code: expect.stringMatching(/^(BAD_USER_INPUT|GRAPHQL_VALIDATION_FAILED)$/) } },
    ]);
    const answers = client.iterate({ query, variables: { a: true } });
    const next = answers.next();
    await gateway.untilSubscribed(1);
    await gateway.publish(move('m1'));
    expect(await next).toMatchObject({ value: { data: { moved: { node: { place: 'Hue' } } } } });
  });
});
