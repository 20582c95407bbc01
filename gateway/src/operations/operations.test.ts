import { silentLog } from '@voucher-gateway/platform/process/log';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { supergraphSdl } from '@voucher-gateway/schema/sdl';
import { getIntrospectionQuery } from 'graphql';
import { describe, expect, it } from 'vitest';
import { createReloadableFederation } from '../federation/reloadable-federation.ts';
import { createResultFormatter } from '../format-result.ts';
import { leasePlanner } from '../testing/lease-planner.ts';
import { anonymous, createTestOperations } from '../testing/operations.ts';
import type { OperationsOptions } from './operations.ts';
import { sha256 } from './persisted-queries.ts';

/** The pipeline with subgraphs that return the test's answers. */
async function setUp({
  answer = {},
  errors,
  suggestions = true,
  createPlanner = leasePlanner,
  ...options
}: Partial<OperationsOptions> & {
  answer?: Record<string, unknown>;
  errors?: object[];
  suggestions?: boolean;
  createPlanner?: typeof leasePlanner;
} = {}) {
  await using releases = new AsyncDisposableStack();
  const sent: unknown[] = [];
  const federation = releases.use(
    await createReloadableFederation({
      supergraphSdl: supergraphSdl(),
      suggestions,
      createPlanner,
      log: silentLog,
      dataSource: () => ({
        process: async ({ request }) => {
          sent.push(request.query);
          return { data: structuredClone(answer), ...(errors && { errors: errors as never }) };
        },
      }),
    }),
  );
  const operations = createTestOperations({ federation, ...options });
  const owned = releases.move();
  return {
    federation,
    operations,
    sent,
    async run(query: string, variables: Record<string, unknown> = {}) {
      const operation = await operations.prepare({ query, variables }, anonymous);
      return operations.execute(operation, anonymous);
    },
    refusal: (query: string, variables: unknown = {}) =>
      operations.prepare({ query, variables: variables as never }, anonymous).then(
        () => null,
        (error: unknown) => error,
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function doubling(times: number, selection: string): string {
  const fragments = Array.from(
    { length: times },
    (_, index) => `fragment F${index} on User { ...F${index + 1} @include(if: $a) ...F${index + 1} @skip(if: $b) }`,
  );
  return `query($a: Boolean!, $b: Boolean!) { me { ...F0 } } ${fragments.join(' ')} fragment F${times} on User { ${selection} }`;
}

describe('operations: limits', () => {
  const ids = (count: number) => Array.from({ length: count }, (_, index) => index);
  it.each([
    ['tokens', `{ me { ${'id '.repeat(6_000)} } }`, 'MAX_TOKENS'],
    [
      'aliases',
      `{ me { ${ids(101)
        .map((id) => `a${id}: id`)
        .join(' ')} } }`,
      'MAX_ALIASES',
    ],
    ['root fields', `mutation { ${'signOut '.repeat(21)} }`, 'MAX_ROOT_FIELDS'],
    ['directives', `{ me { ${'id @skip(if: false) '.repeat(101)} } }`, 'MAX_DIRECTIVES'],
    ['levels', `{ me { ${'deliveries { '.repeat(30)} id ${'} '.repeat(30)} } }`, 'MAX_DEPTH'],
    ['cost', '{ purchasedVouchers(first: 100000) { nodes { id } } }', 'MAX_COST'],
    ['conditions in fragments that double', doubling(14, 'id'), 'MAX_DIRECTIVES'],
    [
      'selections of fragments that double',
      doubling(14, 'id')
        .replace(/ @(skip|include)\(if: \$[ab]\)/g, '')
        .replace('($a: Boolean!, $b: Boolean!) ', ''),
      'MAX_TOKENS',
    ],
    [
      'introspection',
      `{ ${ids(5)
        .map((id) => `a${id}: __schema { types { ${'fields { type { '.repeat(9)} name ${'} } '.repeat(9)} } }`)
        .join(' ')} }`,
      'introspection',
    ],
    ['comparisons of fields', `{ me { ${'id '.repeat(4_900)} } }`, 'validation'],
    [
      'values',
      `{ ${ids(20)
        .map((id) => `r${id}: purchasedVouchers(first: 100) { nodes { ${'... { '.repeat(40)} id ${'} '.repeat(40)} } }`)
        .join(' ')} }`,
      'values',
    ],
    ['nesting of variables', '{ me { id } }', 'nesting'],
  ])('refuse too many %s, naming the limit and both figures', async (_what, query, limit) => {
    await using pipeline = await setUp();
    const deep = JSON.parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`);
    const error = await pipeline.refusal(query, limit === 'nesting' ? { deep } : {});
    expect(error).toMatchObject({ code: 'OPERATION_TOO_COMPLEX', details: { limit, maximum: expect.any(Number) } });
    if (limit !== 'nesting' && limit !== 'validation')
      expect((error as { details: { actual: number } }).details.actual).toBeGreaterThan(0);
    expect((error as Error).message).toContain(limit);
    expect(pipeline.sent).toEqual([]);
  });

  it('allow the operations of tools and the playground', async () => {
    await using pipeline = await setUp();
    const full = getIntrospectionQuery({
      descriptions: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      inputValueDeprecation: true,
    });
    expect(await pipeline.run(full)).toMatchObject({ data: { __schema: { queryType: { name: 'Query' } } } });
  });

  it('only log in measure mode', async () => {
    const log = createMemoryLog();
    await using pipeline = await setUp({ mode: 'measure', log, answer: { me: { id: '1' } } });
    const aliases = ids(101)
      .map((id) => `a${id}: __typename`)
      .join(' ');
    expect(await pipeline.run(`{ ${aliases} me { id } }`)).toMatchObject({ data: { a0: 'Query', me: { id: '1' } } });
    expect(log.text).toContain('"limit":"MAX_ALIASES","maximum":100,"actual":101');
    expect(log.text).toContain('"limit":"MAX_ROOT_FIELDS","maximum":20,"actual":102');
  });

  it('compute the cost with the variables of each request', async () => {
    await using pipeline = await setUp({ answer: { purchasedVouchers: { nodes: [] } } });
    const query = 'query($first: Int) { purchasedVouchers(first: $first) { nodes { id } } }';
    expect(await pipeline.refusal(query, { first: 50 })).toBeNull();
    expect(await pipeline.refusal(query, { first: 50_000 })).toMatchObject({ details: { limit: 'MAX_COST' } });
    expect(await pipeline.refusal(query, { first: 50 })).toBeNull();
  });

  it('stop measuring at the limit of selections, for any number of list sizes', async () => {
    // Regression: a fragment is measured once per list size. A text of 13 kB blocked the event loop for 60 ms.
    await using pipeline = await setUp();
    const fields = ids(250).map((id) => `purchasedVouchers(first: ${id} last: $n) { ...F }`);
    const fragment = `fragment F on VoucherConnection { ${'nodes { id } '.repeat(360)} }`;
    expect(await pipeline.refusal(`query($n: Int) { ${fields.join(' ')} } ${fragment}`, { n: 1 })).toMatchObject({
      details: { limit: 'MAX_TOKENS', maximum: 5_000, actual: 5_001 },
    });
  });

  it('let other operations run after millions of selections in measure mode', async () => {
    // Regression: they were estimated as minutes of work, in which every new text was SERVICE_UNAVAILABLE.
    await using pipeline = await setUp({ mode: 'measure', answer: { me: { id: '1' } } });
    const fragments = ids(24).map((id) => `fragment F${id} on Query { ...F${id + 1} ...F${id + 1} }`);
    await pipeline.run(`{ ...F0 } ${fragments.join(' ')} fragment F24 on Query { __typename }`);
    expect(await pipeline.run('query Next { me { id } }')).toMatchObject({ data: { me: { id: '1' } } });
  });

  it('refuse a chain of fragments that exceeds the stack, even in measure mode', async () => {
    await using pipeline = await setUp({ mode: 'measure' });
    const chain = ids(8_000)
      .map((id) => `fragment F${id} on User { ...F${id + 1} }`)
      .join(' ');
    expect(await pipeline.refusal(`{ me { ...F0 } } ${chain} fragment F8000 on User { id }`)).toMatchObject({
      code: 'OPERATION_TOO_COMPLEX',
    });
  });

  it('count the bytes of errors as well as of data', async () => {
    const limits = { ...(await defaults()), MAX_RESPONSE_BYTES: 1_000 };
    const errors = [{ message: 'x'.repeat(2_000), extensions: { code: 'FORBIDDEN' } }];
    await using pipeline = await setUp({ limits, errors });
    await expect(pipeline.run('{ me { id } }')).rejects.toMatchObject({ details: { limit: 'MAX_RESPONSE_BYTES' } });
  });

  it('refuse a response over MAX_RESPONSE_BYTES', async () => {
    const limits = { ...(await defaults()), MAX_RESPONSE_BYTES: 1_000 };
    await using pipeline = await setUp({ limits, answer: { me: { id: '1', username: 'x'.repeat(2_000) } } });
    await expect(pipeline.run('{ me { username } }')).rejects.toMatchObject({
      code: 'OPERATION_TOO_COMPLEX',
      details: { limit: 'MAX_RESPONSE_BYTES', maximum: 1_000 },
    });
    expect(await pipeline.run('{ me { id } }')).toEqual({ data: { me: { id: '1' } } });
  });
});

async function defaults() {
  const { readConfig } = await import('@voucher-gateway/platform/process/config');
  const { gatewaySettings } = await import('../config.ts');
  return readConfig(gatewaySettings, { JWKS_URL: 'http://127.0.0.1/unused' });
}

describe('operations: requests', () => {
  it.each([
    ['no query', {}, 'BAD_REQUEST'],
    ['an empty query', { query: '' }, 'BAD_REQUEST'],
    [
      'several operations and no name',
      { query: 'query A { me { id } } query B { me { id } }' },
      'OPERATION_RESOLUTION_FAILURE',
    ],
    ['another name', { query: 'query A { me { id } }', operationName: 'B' }, 'OPERATION_RESOLUTION_FAILURE'],
    ['only fragments', { query: 'fragment A on User { id }' }, 'OPERATION_RESOLUTION_FAILURE'],
    ['variables that are a list', { query: '{ me { id } }', variables: [] }, 'BAD_USER_INPUT'],
    ['a variable with U+0000', { query: '{ me { id } }', variables: { a: '\0' } }, 'BAD_USER_INPUT'],
    [
      'a variable with a lone surrogate',
      { query: '{ me { id } }', variables: { a: { b: ['\ud800'] } } },
      'BAD_USER_INPUT',
    ],
    [
      'an unknown hash',
      { extensions: { persistedQuery: { version: 1, sha256Hash: sha256('x') } } },
      'PERSISTED_QUERY_NOT_FOUND',
    ],
    [
      'another hash than the query’s',
      { query: '{ me { id } }', extensions: { persistedQuery: { version: 1, sha256Hash: sha256('x') } } },
      'BAD_REQUEST',
    ],
    [
      'an invalid hash',
      { query: '{ me { id } }', extensions: { persistedQuery: { version: 1, sha256Hash: 'x' } } },
      'BAD_REQUEST',
    ],
    [
      'another version of persisted queries',
      { extensions: { persistedQuery: { version: 2 } } },
      'PERSISTED_QUERY_NOT_SUPPORTED',
    ],
  ])('with %s are refused', async (_what, request, code) => {
    await using pipeline = await setUp();
    await expect(pipeline.operations.prepare(request as never, anonymous)).rejects.toMatchObject({ code });
  });

  it('with a variable of the wrong type get an error and no data', async () => {
    await using pipeline = await setUp();
    const query = 'query($n: Int) { purchasedVouchers(first: $n) { nodes { id } } }';
    await expect(pipeline.run(query, { n: 'x' })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      message: 'The variable $n does not fit: Int cannot represent non-integer value: "x"',
      details: { argument: 'n' },
    });
    expect(pipeline.sent).toEqual([]);
  });

  it('with many unknown input fields are refused at the first, with a short message', async () => {
    await using pipeline = await setUp();
    const unknown = Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`x${index}`, 1]));
    const error = await pipeline
      .run('mutation($i: SignInInput!) { signIn(input: $i) { token } }', {
        i: { username: 'a', password: 'b'.repeat(100_000), ...unknown },
      })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'BAD_USER_INPUT', details: { argument: 'i' } });
    expect((error as Error).message.length).toBeLessThan(500);
    expect((error as Error).message).not.toContain('bbb');
  });

  it('store a persisted query only once it has passed validation', async () => {
    await using pipeline = await setUp({ answer: { me: { id: '1' } } });
    const { prepare } = pipeline.operations;
    const persisted = (query: string) => ({ persistedQuery: { version: 1, sha256Hash: sha256(query) } });
    await expect(prepare({ query: '{ nobody }', extensions: persisted('{ nobody }') }, anonymous)).rejects.toThrow();
    await expect(prepare({ extensions: persisted('{ nobody }') }, anonymous)).rejects.toMatchObject({
      code: 'PERSISTED_QUERY_NOT_FOUND',
    });
    await prepare({ query: '{ me { id } }', extensions: persisted('{ me { id } }') }, anonymous);
    const operation = await prepare({ extensions: persisted('{ me { id } }') }, anonymous);
    expect(await pipeline.operations.execute(operation, anonymous)).toEqual({ data: { me: { id: '1' } } });
  });
});

describe('operations: introspection', () => {
  it.each([
    '{ __schema { types { name } } }',
    '{ a: __type(name: "User") { name } }',
    '{ ...F } fragment F on Query { __schema { types { name } } }',
  ])('is refused if it is turned off: %s', async (query) => {
    await using pipeline = await setUp({ introspection: false });
    expect(await pipeline.refusal(query)).toMatchObject({ code: 'GRAPHQL_VALIDATION_FAILED' });
    expect(await pipeline.run('{ __typename }')).toEqual({ data: { __typename: 'Query' } });
  });

  it('that the planner rejects is invalid, and not an internal error', async () => {
    await using pipeline = await setUp();
    expect(await pipeline.refusal('{ __type(name: "User") { isOneOf } }')).toMatchObject({
      errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }],
    });
  });

  it('is not replaced by suggestions', async () => {
    await using pipeline = await setUp({ introspection: false, suggestions: false });
    expect(JSON.stringify(await pipeline.refusal('{ mee { id } }'))).not.toContain('Did you mean');
    const error = await pipeline
      .run('mutation($i: SignInInput!) { signIn(input: $i) { token } }', {
        i: { usernam: 'x', password: 'y', username: 'z' },
      })
      .catch((thrown: unknown) => thrown);
    expect(String(error)).toContain('usernam');
    expect(String(error)).not.toContain('Did you mean');
  });
});

describe('operations: conditions', () => {
  const text = 'query($a: Boolean = true, $b: Boolean!) { me { id @skip(if: $b) username @include(if: $a) } }';

  it('fetch and return only the fields that they include', async () => {
    await using pipeline = await setUp({ answer: { me: { id: '1', username: 'ann' } } });
    expect(await pipeline.run(text, { b: true })).toEqual({ data: { me: { username: 'ann' } } });
    expect(await pipeline.run(text, { a: false, b: false })).toEqual({ data: { me: { id: '1' } } });
    expect(await pipeline.run(text, { a: false, b: true })).toEqual({ data: { me: {} } });
    expect(pipeline.sent).toEqual(['{me{username}}', '{me{id}}', '{me{__typename}}']);
  });

  it('that exclude everything return nothing, without a fetch', async () => {
    await using pipeline = await setUp();
    const query = 'query($a: Boolean!) { me @include(if: $a) { id } }';
    expect(await pipeline.run(query, { a: false })).toEqual({ data: {} });
    expect(pipeline.sent).toEqual([]);
  });
});

describe('operations: in a subgraph’s response', () => {
  it('an error without a code is masked, and debugging extensions are dropped', async () => {
    const message = 'relation "users" does not exist at /srv/app/db.js:10 (10.0.0.5:5432)';
    await using pipeline = await setUp({
      errors: [
        { message },
        { message, extensions: { code: 'INTERNAL_SERVER_ERROR' } },
        { message: 'Not now.', extensions: { code: 'CLOSED', exception: { stacktrace: [message] }, until: 'noon' } },
      ],
    });
    const { errors } = createResultFormatter(silentLog).formatResult(await pipeline.run('{ me { id } }'));
    expect(JSON.stringify(errors)).not.toMatch(/relation|srv|10\.0\.0\.5/);
    expect(errors?.[2]).toMatchObject({ message: 'Not now.', extensions: { code: 'CLOSED', until: 'noon' } });
  });

  it('a value of the wrong type is an error at its path', async () => {
    await using pipeline = await setUp({ answer: { me: { id: '1', username: { first: 'ann' } } } });
    expect(await pipeline.run('{ me { id username } }')).toMatchObject({
      data: { me: null },
      errors: [{ path: ['me', 'username'], extensions: { code: 'SUBGRAPH_INVALID_RESPONSE' } }],
    });
  });
});

it('operations: plan a text once for concurrent requests', async () => {
  await using pipeline = await setUp();
  const { planner } = pipeline.federation.current;
  let planned = 0;
  const plan = planner.plan.bind(planner);
  planner.plan = (...input) => {
    planned += 1;
    return plan(...input);
  };
  const prepare = () => pipeline.operations.prepare({ query: '{ me { id username } }' }, anonymous);
  const [first, ...others] = await Promise.all([prepare(), prepare(), prepare()]);
  expect(planned).toBe(1);
  for (const { document, plan } of [...others, await prepare()]) {
    expect(document).toBe(first?.document);
    expect(plan).toBe(first?.plan);
  }
});

const largeQuery = (name: string) => `query ${name} { me { ${'id '.repeat(4_900)} } }`;

it('operations: parse few new texts while the planner is busy', async () => {
  // Regression: a thousand parsed documents, 1 MiB each, waited for the planner.
  const planned: (() => void)[] = [];
  let most = 0;
  await using pipeline = await setUp({
    answer: { me: { id: 'ann' } },
    createPlanner: (options) => {
      const planner = leasePlanner(options);
      return {
        ...planner,
        async plan(request, requester) {
          const { promise, resolve } = Promise.withResolvers<void>();
          most = Math.max(most, planned.push(resolve));
          await promise;
          return planner.plan(request, requester);
        },
      };
    },
  });
  const answers = Array.from({ length: 12 }, (_, index) => pipeline.run(`{ a${index}: me { id } }`));
  for (let index = 0; index < answers.length; index += 1) {
    await expect.poll(() => planned.length).toBeGreaterThan(0);
    planned.shift()?.();
  }
  await Promise.all(answers);
  expect(most).toBe(4);
});

it('operations: answer cached texts at once while a client floods new ones', async () => {
  // Regression: texts that are refused before planning blocked the event loop for as long as a client sent them.
  await using pipeline = await setUp();
  await pipeline.refusal('{ me { id } }');
  const flood = Array.from({ length: 100 }, (_, index) => pipeline.refusal(`${largeQuery(`Q${index}`)} }`));
  let refused = 0;
  for (const refusal of flood) void refusal.then(() => (refused += 1));
  expect(await pipeline.refusal('{ me { id } }')).toBeNull();
  expect(refused).toBeLessThan(80);
  const codes = new Set((await Promise.all(flood)).map((error) => codeOf(error)));
  // Answered in its turn, or refused.
  expect([...codes].filter((code) => code !== 'SERVICE_UNAVAILABLE')).toEqual(['GRAPHQL_PARSE_FAILED']);
});

it('operations: execute small ones at once while large ones wait for their turn', async () => {
  // Regression: a thousand large, cached operations per second starved all others.
  await using pipeline = await setUp({ answer: { me: { id: '1' } } });
  await pipeline.refusal('{ me { id } }');
  const roots = Array.from({ length: 19 }, (_, index) => `a${index}: me { ${'id '.repeat(40)} }`);
  const large = await pipeline.operations.prepare({ query: `{ me { id } ${roots.join(' ')} }` }, anonymous);
  let executed = 0;
  const flood = Array.from({ length: 50 }, () =>
    pipeline.operations.execute(large, anonymous).then(({ data }) => {
      executed += 1;
      return data;
    }),
  );
  expect(await pipeline.run('{ me { id } }')).toEqual({ data: { me: { id: '1' } } });
  expect(executed).toBeLessThan(40);
  for (const data of await Promise.all(flood)) expect(data).toMatchObject({ me: { id: '1' }, a18: null });
});

function codeOf(error: unknown): string | undefined {
  const { code, extensions } = error as { code?: string; extensions?: { code: string } };
  return extensions?.code ?? code;
}
