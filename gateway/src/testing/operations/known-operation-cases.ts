import { sha256 } from '../../operations/persisted-queries.ts';

/** A request for `/graphql`. */
export interface Sent {
  method?: 'POST' | 'GET';
  /** Parameters of a GET. */
  search?: [string, string][];
  /** The body of a POST, as JSON or text. */
  body?: unknown;
  /** The body of a POST in chunks, in place of `body`. */
  chunks?: readonly Buffer[];
  headers?: Record<string, string>;
}

export const post = (body: unknown, headers: Record<string, string> = {}): Sent => ({ body, headers });
export const get = (
  search: [string, string][],
  headers: Record<string, string> = { 'apollo-require-preflight': '1' },
): Sent => ({
  method: 'GET',
  search,
  headers,
});
export const persisted = (query: string) => ({ persistedQuery: { version: 1, sha256Hash: sha256(query) } });

export const hello = '{ hello }';
export const two = 'query A { hello } query B { openingHours }';
export const typed =
  'query ($first: Int!, $is: Boolean = true) { hello @include(if: $is) moves(first: $first) { edges { cursor } } }';
const greet = 'mutation ($name: String!) { greet(name: $name) }';

/** Texts that the test sends once in advance, so that their plans are cached. */
export const texts = [
  hello,
  two,
  typed,
  greet,
  '{ openingHours }',
  '{ nope }',
  'mutation { register(name: "a") { id } }',
];

/** Requests that are answered without Apollo Server, if their plan is cached. */
export const short: [what: string, sent: Sent][] = [
  ['a query', post({ query: hello })],
  [
    'a query with null in place of what is missing',
    post({ query: hello, operationName: null, variables: null, extensions: null }),
  ],
  ['a query with more members', post({ query: hello, more: [1], extensions: { clientLibrary: { name: 'x' } } })],
  ['a query with an empty name', post({ query: hello, operationName: '' })],
  ['a repeated member', post('{"query":"{ nope }","query":"{ hello }"}')],
  ['a named operation', post({ query: two, operationName: 'B' })],
  ['variables', post({ query: typed, variables: { first: 1, is: false, other: 'x' } })],
  ['a variable that is missing', post({ query: typed, variables: {} })],
  ['a variable that is null', post({ query: typed, variables: { first: null } })],
  ['a variable of another type', post({ query: typed, variables: { first: 'x' } })],
  ['a condition of another type', post({ query: typed, variables: { first: 1, is: 'x' } })],
  ['a mutation', post({ query: greet, variables: { name: 'a' } })],
  ['errors beside data', post({ query: '{ openingHours }' })],
  ['a subgraph that fails', post({ query: 'mutation { register(name: "a") { id } }' })],
  ['a hash', post({ extensions: persisted(hello) })],
  ['a hash and its text', post({ query: hello, extensions: persisted(hello) })],
  ['a request id', post({ query: hello }, { 'x-request-id': 'id-1' })],
  ['a foreign origin', post({ query: hello }, { origin: 'https://foreign.example' })],
  ['the own origin', post({ query: hello }, { origin: 'http://host.example', host: 'host.example' })],
  ...['*/*', 'application/json', 'application/graphql-response+json', 'application/*;q=0.5, text/html'].map(
    (accept): [string, Sent] => [`accept: ${accept}`, post({ query: hello }, { accept })],
  ),
  ['a failure in the new media type', post({ query: typed }, { accept: 'application/graphql-response+json' })],
  ['a failure in the media type of old', post({ query: typed }, { accept: 'application/json' })],
  ['a charset', post({ query: hello }, { 'content-type': 'application/json;charset=UTF-8' })],
  ['a GET', get([['query', hello]])],
  ['a GET with a content type', get([['query', hello]], { 'content-type': 'application/json' })],
  [
    'a GET with variables',
    get([
      ['query', typed],
      ['variables', '{"first":2}'],
      ['operationName', ''],
    ]),
  ],
  ['a GET by hash', get([['extensions', JSON.stringify(persisted(hello))]])],
];

/** Requests that are left to Apollo Server. */
export const others: [what: string, sent: Sent][] = [
  ['a batch', post([{ query: hello }])],
  ['no query', post({ variables: {} })],
  ['an empty query', post({ query: '' })],
  ['an empty query and a hash', post({ query: '', extensions: persisted(hello) })],
  ['a query that is a list', post({ query: [hello] })],
  ['variables that are text', post({ query: hello, variables: '{}' })],
  ['variables that are a list', post({ query: hello, variables: [] })],
  ['a name that is a number', post({ query: hello, operationName: 5 })],
  ['extensions that are a list', post({ query: hello, extensions: [] })],
  ['an unknown hash', post({ extensions: persisted('{ other }') })],
  ['another hash', post({ query: hello, extensions: persisted(two) })],
  ['another version of persisted queries', post({ query: hello, extensions: { persistedQuery: { version: 2 } } })],
  ['an unknown name', post({ query: two, operationName: 'C' })],
  ['no name of two', post({ query: two })],
  ['an invalid query', post({ query: '{ nope }' })],
  ['an invalid text in a variable', post({ query: hello, variables: { a: '\0' } })],
  ['a token that is refused', post({ query: hello }, { authorization: 'Bearer x' })],
  ['an invalid query in the media type of old', post({ query: '{ nope }' }, { accept: 'application/json' })],
  ['an unacceptable type', post({ query: hello }, { accept: 'image/png' })],
  ['the callback type', post({ query: hello }, { accept: 'application/json; callbackSpec=1.0' })],
  ['a GET without a preflight', get([['query', hello]], {})],
  ['a GET of text', get([['query', hello]], { 'content-type': 'text/plain', 'apollo-require-preflight': '1' })],
  ['a mutation by GET', get([['query', 'mutation { register(name: "a") { id } }']])],
  [
    'a repeated parameter',
    get([
      ['query', hello],
      ['query', hello],
    ]),
  ],
  [
    'variables that are no JSON',
    get([
      ['query', hello],
      ['variables', '{'],
    ]),
  ],
  [
    'variables that are null',
    get([
      ['query', hello],
      ['variables', 'null'],
    ]),
  ],
  ['a GET without a query', get([])],
];
