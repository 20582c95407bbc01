import type { Attack, AttackTable } from './attack.ts';
import { converse } from './sockets.ts';
import { exchange, operation } from './wire.ts';

const times = (count: number, piece: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => piece(index)).join(' ');
/** A chain of fragments. Each fragment spreads the next fragment twice, so the query has 2^`count` fields. */
const doubling = (count: number, directive: (index: number) => string) =>
  `${times(count, (index) => `fragment f${index} on Query { ...f${index + 1} ${directive(index)} ...f${index + 1} }`)} fragment f${count} on Query { __typename }`;

/** Documents that cost more than their size suggests. */
const costly: [name: string, query: string, variables?: object][] = [
  ['2,500 nested fragments', `{ ${'... on Query { '.repeat(2_500)}__typename${' }'.repeat(2_500)} }`],
  ['selections nested 20,000 deep', `${'{a'.repeat(20_000)}${'}'.repeat(20_000)}`],
  ['lists nested 20,000 deep', `{ voucherRequest(id: ${'['.repeat(20_000)}${']'.repeat(20_000)}) { id } }`],
  ['objects nested 5,000 deep', `{ voucherRequest(id: ${'{a:'.repeat(5_000)}1${'}'.repeat(5_000)}) { id } }`],
  ['a type nested 10,000 deep', `query ($a: ${'['.repeat(10_000)}Int${']'.repeat(10_000)}) { __typename }`],
  ['3,000 aliases', `{ ${times(3_000, (index) => `a${index}: __typename`)} }`],
  ['2,000 root fields of a mutation', `mutation { ${times(2_000, (index) => `a${index}: signOut`)} }`],
  ['3,000 directives on a field', `{ __typename ${'@include(if: true) '.repeat(3_000)} }`],
  ['fragments that double 30 times', `{ ...f0 } ${doubling(30, () => '')}`],
  [
    'fragments that double under @include',
    `query ($a: Boolean!) { ...f0 } ${doubling(14, () => '... @include(if: $a) { __typename }')}`,
    { a: true },
  ],
  ['1,500 unused fragments', `{ __typename } ${times(1_500, (index) => `fragment f${index} on Query { __typename }`)}`],
  ['2,000 operations', `${times(2_000, (index) => `query q${index} { __typename }`)}`],
  ['5,000 variables', `query (${times(5_000, (index) => `$a${index}: Int`)}) { __typename }`],
  ['a list of 10,000 numbers', `{ voucherRequest(id: [${'1 '.repeat(10_000)}]) { id } }`],
];

/** Documents for a server with introspection. */
const introspecting: [name: string, query: string][] = [
  [
    'introspection that nests types 12 deep',
    `{ __schema { types { ${'fields { type { '.repeat(12)}name${' } }'.repeat(12)} } } }`,
  ],
  [
    'introspection under 400 aliases',
    `{ ${times(400, (index) => `a${index}: __schema { types { fields { args { name } } } }`)} }`,
  ],
];

/** Invalid documents that might disturb an executor. */
const wrong: [name: string, query: string, variables?: object][] = [
  [
    'root fields under 16 variables',
    `query (${times(16, (index) => `$a${index}: Boolean!`)}) { ${times(16, (index) => `a${index}: me @include(if: $a${index}) { id }`)} }`,
    Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`a${index}`, true])),
  ],
  ['a fragment that spreads itself', '{ ...a } fragment a on Query { ...a }'],
  [
    'fragments in a circle',
    '{ ...a } fragment a on Query { ...b } fragment b on Query { ...c } fragment c on Query { ...a }',
  ],
  ['a fragment that is not there', '{ ...constructor }'],
  ['a field of Object’s prototype', '{ __proto__ }'],
  ['fields of Object’s prototype', '{ constructor toString hasOwnProperty }'],
  ['a field that is nearly one', '{ purchasedVoucher { node { cod } } }'],
  ['an argument that is nearly one', '{ voucherRequest(idd: 1) { id } }'],
  ['an enum value that is nearly one', '{ purchasedVouchers(filter: SUCCES) { nodes { id } } }'],
  ['a directive that is not there', '{ __typename @defr }'],
  ['a directive at an invalid location', 'query @deprecated { __typename }'],
  ['@skip of a text', '{ __typename @skip(if: "yes") }'],
  ['two anonymous operations', '{ __typename } { __typename }'],
  ['only type definitions', 'type Query { hacked: String }'],
  ['a number out of every range', `{ purchasedVouchers(first: ${'9'.repeat(400)}) { nodes { id } } }`],
  ['a float for a whole number', '{ purchasedVouchers(first: 1e400) { nodes { id } } }'],
  ['a text without an end', '{ voucherRequest(id: "'],
  ['a block text without an end', '{ voucherRequest(id: """'],
  ['an invalid escape', '{ voucherRequest(id: "\\u{ffffffff}") { id } }'],
  ['a lone surrogate', '{ voucherRequest(id: "\\ud800") { id } }'],
  ['NUL in the document', '{ __typename \u0000 }'],
  ['NUL in an argument', 'mutation { signIn(input: {username: "a\\u0000", password: "correct horse"}) { token } }'],
  [
    'a lone surrogate in a variable',
    'mutation ($p: String!) { signIn(input: {username: "a", password: $p}) { token } }',
    { p: '\udfff secret' },
  ],
  ['a variable of the wrong kind', 'query ($id: ID!) { voucherRequest(id: $id) { id } }', { id: { a: 1 } }],
  ['no variable where one is needed', 'query ($id: ID!) { voucherRequest(id: $id) { id } }'],
  [
    'SQL in an argument',
    'mutation { signIn(input: {username: "\' or 1=1; drop table users; --", password: "correct horse"}) { token } }',
  ],
  ['entities of another’s id', '{ _entities(representations: [{__typename: "User", id: "1"}]) { __typename } }'],
  ['the SDL of a subgraph', '{ _service { sdl } }'],
  ['an invalid cursor', '{ purchasedVouchers(after: "\' union select") { nodes { id } } }'],
];

const overHttp = (query: string, variables?: object) => operation({ query, variables });
const overSocket =
  (query: string, variables?: object) =>
  ({ gatewayUrl }: { gatewayUrl: string }) =>
    converse(gatewayUrl, [{ id: 'a', type: 'subscribe', payload: { query, variables } }], {
      until: /"id":"a","type":"(error|complete)"/,
    });
const overStream =
  (query: string, variables?: object) =>
  ({ gatewayUrl }: { gatewayUrl: string }) =>
    exchange(gatewayUrl, operation({ query, variables }, { accept: 'text/event-stream' }));

const tooComplex = { code: 'OPERATION_TOO_COMPLEX' };
const subscription = 'subscription ($a: Boolean!) { voucherReceived @include(if: $a) { cursor } }';

const attacks: Attack[] = [
  ...costly.map(([name, ...sent]) => ({ name, send: overHttp(...sent), status: 400, ...tooComplex })),
  ...costly.map(([name, ...sent]) => ({
    name: `${name}, over a WebSocket`,
    send: overSocket(...sent),
    ...tooComplex,
  })),
  ...costly.map(([name, ...sent]) => ({
    name: `${name}, over an event stream`,
    send: overStream(...sent),
    ...tooComplex,
  })),
  ...wrong.map(([name, ...sent]) => ({ name, send: overHttp(...sent) })),
  {
    name: 'a subscription by an ordinary request',
    send: overHttp('subscription { voucherReceived { cursor } }'),
    status: 400,
  },
  { name: 'a subscription under @include', send: overSocket(subscription, { a: false }) },
  {
    name: 'two subscriptions in one operation',
    send: overSocket('subscription { voucherReceived { cursor } voucherRequestFailed { reason } }'),
  },
  { name: 'a subscription of introspection', send: overSocket('subscription { __typename }') },
];

export const introspection: AttackTable = {
  boundary: 'introspection',
  urlOf: ({ gatewayUrl }) => gatewayUrl,
  attacks: [
    ...introspecting.map(([name, query]) => ({ name, send: overHttp(query), ...tooComplex })),
    ...introspecting.map(([name, query]) => ({
      name: `${name}, over a WebSocket`,
      send: overSocket(query),
      ...tooComplex,
    })),
    ...introspecting.map(([name, query]) => ({
      name: `${name}, over an event stream`,
      send: overStream(query),
      ...tooComplex,
    })),
  ],
};

export const documents: AttackTable = { boundary: 'document', urlOf: ({ gatewayUrl }) => gatewayUrl, attacks };
