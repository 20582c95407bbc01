import { buildSchema } from 'graphql';
import { expect, it } from 'vitest';
import { createSubgraphServer } from './subgraph-server.ts';
import { httpServerContract } from './testing/contract/http-server.ts';
import { postGraphql } from './testing/graphql-client.ts';
import { createMemoryLog } from './testing/log.ts';

async function serve() {
  const found: unknown[] = [];
  const schema = buildSchema(`
    input Filter { code: String, codes: [String!] }
    type Query { find(filter: Filter, id: ID): String }
  `);
  Object.assign(schema.getQueryType()?.getFields().find ?? {}, {
    resolve(_: unknown, args: object) {
      found.push(args);
      return 'found';
    },
  });
  const server = await createSubgraphServer({
    schema,
    log: createMemoryLog(),
    host: '127.0.0.1',
    port: 0,
    engines: {},
    context: async () => ({}),
  });
  return { ...server, found, graphqlUrl: `${server.url}/graphql` };
}

it.each([
  ['a variable', 'query ($f: Filter) { find(filter: $f) }', { f: { codes: ['a', '\0'] } }, 'filter.codes.1'],
  ['an ID', 'query ($id: ID) { find(id: $id) }', { id: '\udc00' }, 'id'],
  ['a literal', '{ find(filter: {code: "\\u0000"}) }', {}, 'filter.code'],
])('subgraph server: refuses NUL and lone surrogates in %s', async (_what, query, variables, argument) => {
  await using server = await serve();
  expect(await postGraphql(server.graphqlUrl, query, variables)).toMatchObject({
    status: 400,
    errors: [{ extensions: { code: 'BAD_USER_INPUT', argument } }],
  });
  expect(server.found).toEqual([]);
});

it('subgraph server: passes any other text', async () => {
  await using server = await serve();
  const f = { code: '漢字 🎟️ \u0001' };
  expect(await postGraphql(server.graphqlUrl, 'query ($f: Filter) { find(filter: $f) }', { f })).toMatchObject({
    data: { find: 'found' },
  });
  expect(server.found).toMatchObject([{ filter: f }]);
});

httpServerContract(serve, ['/graphql']);
