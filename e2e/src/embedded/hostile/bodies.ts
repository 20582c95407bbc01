import type { Attack, AttackTable } from './attack.ts';
import { operation, request } from './wire.ts';

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const hash = 'a'.repeat(64);
const persisted = (extension: unknown) =>
  operation({ query: '{ __typename }', extensions: { persistedQuery: extension } });
const get = (parameters: string) => request('GET', `/graphql?${parameters}`);

/** Bodies and query strings of `/graphql` that are not valid GraphQL requests. */
const attacks: Attack[] = [
  {
    name: 'an empty body',
    send: operation('', { 'content-length': '0', 'content-type': 'application/json' }),
    status: 400,
  },
  { name: 'half of a JSON text', send: operation('{"query":"{ __type'), status: 400 },
  { name: 'null', send: operation('null'), status: 400 },
  { name: 'a number', send: operation('1e999'), status: 400 },
  { name: 'a string', send: operation('"{ __typename }"'), status: 400 },
  { name: 'a list, as for a batch', send: operation('[{"query":"{ __typename }"}]'), status: 400 },
  {
    name: 'bytes that are no UTF-8',
    send: request('POST', '/graphql', { body: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) }),
    status: 400,
  },
  { name: 'a byte order mark', send: operation('\ufeff{"query":"{ __typename }"}') },
  {
    name: 'lists nested 100,000 deep',
    send: operation(`{"query":"{ __typename }","variables":{"a":${nested(100_000)}}}`),
  },
  { name: 'lists nested 100,000 deep instead of a request', send: operation(nested(100_000)), status: 400 },
  { name: 'a body of 1 MB', send: operation({ query: `{ __typename } #${'x'.repeat(1_000_000)}` }), status: 413 },
  { name: 'a query that is a number', send: operation({ query: 1 }), status: 400 },
  { name: 'a query that is an object', send: operation({ query: { toString: 'x' } }), status: 400 },
  { name: 'a query that is empty', send: operation({ query: '' }), status: 400 },
  { name: 'no query', send: operation({}), status: 400 },
  { name: 'variables that are a list', send: operation({ query: '{ __typename }', variables: [] }) },
  {
    name: 'variables that are a string',
    send: operation({ query: '{ __typename }', variables: '{"a":' }),
    status: 400,
  },
  {
    name: 'an operation name that is an object',
    send: operation({ query: '{ __typename }', operationName: {} }),
    status: 400,
  },
  {
    name: 'an operation name that is not there',
    send: operation({ query: '{ __typename }', operationName: 'constructor' }),
    status: 400,
  },
  { name: 'extensions that are a string', send: operation({ query: '{ __typename }', extensions: 'x' }), status: 400 },
  {
    name: 'a prototype in variables',
    send: operation(
      '{"query":"query ($a: String) { __typename }","variables":{"__proto__":{"a":"x"},"constructor":{"prototype":{"a":1}}}}',
    ),
  },
  {
    name: 'a persisted operation that is not stored',
    send: operation({ extensions: { persistedQuery: { version: 1, sha256Hash: hash } } }),
    code: 'PERSISTED_QUERY_NOT_FOUND',
  },
  { name: 'a persisted operation whose hash differs', send: persisted({ version: 1, sha256Hash: hash }), status: 400 },
  { name: 'a persisted operation of another version', send: persisted({ version: 99, sha256Hash: hash }), status: 400 },
  {
    name: 'a persisted operation whose hash is an object',
    send: persisted({ version: 1, sha256Hash: { length: 64 } }),
    status: 400,
  },
  { name: 'a persisted operation that is a string', send: persisted('__proto__'), status: 400 },
  {
    name: 'a persisted operation named after a prototype',
    send: operation({ extensions: { persistedQuery: { version: 1, sha256Hash: '__proto__' } } }),
    code: 'PERSISTED_QUERY_NOT_FOUND',
  },
  { name: 'GET without a query', send: get(''), status: 400 },
  { name: 'GET with two queries', send: get('query={__typename}&query={me{id}}'), status: 400 },
  { name: 'GET with variables that are not JSON', send: get('query={__typename}&variables={'), status: 400 },
  { name: 'GET with a query of broken escapes', send: get('query=%7B%zz%'), status: 400 },
  { name: 'GET with 3,000 parameters', send: get(`query={__typename}&${'a=1&'.repeat(3_000)}`) },
  {
    name: 'a mutation by GET',
    send: request('GET', '/graphql?query=mutation{signOut}', { headers: { 'apollo-require-preflight': '1' } }),
    status: 405,
  },
  {
    name: 'a body to GET',
    send: request('GET', '/graphql', { body: '{"query":"{ __typename }"}' }),
    status: 400,
  },
];

export const bodies: AttackTable = { boundary: 'body', urlOf: ({ gatewayUrl }) => gatewayUrl, attacks };
