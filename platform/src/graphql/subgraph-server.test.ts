import { once } from 'node:events';
import { buildSchema } from 'graphql';
import { expect, it } from 'vitest';
import { CodedError } from '../errors.ts';
import { postGraphql } from '../testing/graphql-client.ts';
import { sendRaw } from '../testing/hostile/raw-http.ts';
import { createMemoryLog } from '../testing/log.ts';
import { createSubgraphServer } from './subgraph-server.ts';

async function serve(context: (signal: AbortSignal) => Promise<object> = async () => ({})) {
  const found: unknown[] = [];
  const log = createMemoryLog();
  const schema = buildSchema(`
    input Filter { code: String, codes: [String!] }
    type Query { find(filter: Filter, id: ID): String }
  `);
  Object.assign(schema.getQueryType()?.getFields().find ?? {}, {
    resolve(_: unknown, args: { id?: string }) {
      if (args.id === 'fails') throw new Error('secret detail');
      found.push(args);
      return 'found';
    },
  });
  const server = await createSubgraphServer({
    schema,
    log,
    host: '127.0.0.1',
    port: 0,
    engines: {},
    context: (_request, signal) => context(signal),
    statusOf: (code) => (code === 'UNAUTHENTICATED' ? 401 : 503),
  });
  return { ...server, found, log, graphqlUrl: `${server.url}/graphql` };
}

it.each([
  ['a variable', 'query ($f: Filter) { find(filter: $f) }', { f: { codes: ['a', '\0'] } }, 'filter.codes.1'],
  ['an ID', 'query ($id: ID) { find(id: $id) }', { id: '\udc00' }, 'id'],
  ['a literal', '{ find(filter: {code: "\\u0000"}) }', {}, 'filter.code'],
])('subgraph server: rejects NUL and lone surrogates in %s', async (_what, query, variables, argument) => {
  await using server = await serve();
  expect(await postGraphql(server.graphqlUrl, query, variables)).toMatchObject({
    status: 400,
    errors: [{ extensions: { code: 'BAD_USER_INPUT', argument } }],
  });
  expect(server.found).toEqual([]);
});

it('subgraph server: accepts any other text', async () => {
  await using server = await serve();
  const f = { code: '漢字 🎟️ \u0001' };
  expect(await postGraphql(server.graphqlUrl, 'query ($f: Filter) { find(filter: $f) }', { f })).toMatchObject({
    data: { find: 'found' },
  });
  expect(server.found).toMatchObject([{ filter: f }]);
});

it.each([
  ['a rejected token', new CodedError('UNAUTHENTICATED', 'Sign in again.'), 401, 'UNAUTHENTICATED'],
  ['an engine that is down', new CodedError('DATABASE_UNAVAILABLE', 'at 10.0.0.1'), 503, 'SERVICE_UNAVAILABLE'],
])('subgraph server: answers %s with its code and status', async (_what, error, status, code) => {
  await using server = await serve(() => Promise.reject(error));
  const answer = await postGraphql(server.graphqlUrl, '{ find }');
  expect(answer).toMatchObject({ status, errors: [{ extensions: { code } }] });
  expect(JSON.stringify(answer)).not.toContain('10.0.0.1');
});

// Regression: an overloaded subgraph worked for clients that had disconnected. Other clients waited so long that they
// also disconnected.
it('subgraph server: does not execute the operation of a client that has left', async () => {
  let isFirst = true;
  await using server = await serve(async (signal) => {
    if (isFirst) {
      isFirst = false;
      await once(signal, 'abort');
    }
    return {};
  });
  const body = '{"query": "{ find(id: \\"left\\") }"}';
  const head = `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  // This client disconnects as soon as it has sent the request.
  await sendRaw(server.url, `${head}\r\n\r\n${body}`);
  await postGraphql(server.graphqlUrl, '{ find(id: "stayed") }');
  expect(server.found).toEqual([{ id: 'stayed' }]);
  expect(server.log.text).not.toContain('failed');
});

it('subgraph server: logs a failure with its request’s id, and masks it', async () => {
  await using server = await serve();
  const response = await fetch(server.graphqlUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': 'trace-7' },
    body: '{"query": "{ find(id: \\"fails\\") }"}',
  });
  expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }] });
  const lines = server.log.text.split('\n').filter((line) => line.includes('secret detail'));
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: 'error', requestId: 'trace-7', path: ['find'] },
  ]);
});
