import { type GraphQLResolveInfo, print } from 'graphql';
import { federationOneSupergraph } from '../supergraphs/federation-one.ts';
import { federation, type Scenario } from './scenario.ts';

const byId = ({ id }: { id: string }) => ({ id });

const contexts: Scenario = {
  name: 'context',
  subgraphs: {
    shops: {
      typeDefs: `${federation('@key', '@context', '@fromContext')}
        type Query { shops: [Shop!]! }
        type Shop @key(fields: "id") @context(name: "shop") { id: ID! currency: String! items: [Item!]! }
        type Item @key(fields: "id") { id: ID! price(in: String @fromContext(field: "$shop { currency }")): String }`,
      resolvers: {
        Query: {
          shops: () => [
            { id: '1', currency: 'EUR', items: [{ id: 'a' }, { id: 'b' }] },
            { id: '2', currency: 'VND', items: [{ id: 'a' }] },
          ],
        },
        Item: { __resolveReference: byId, price: ({ id }: { id: string }, args: { in: string }) => `${id} ${args.in}` },
      },
    },
    stock: {
      typeDefs: `${federation('@key')} type Item @key(fields: "id") { id: ID! stock: Int }`,
      resolvers: { Item: { stock: () => 7 } },
    },
  },
  requests: [
    {
      query: '{ shops { items { price stock } } }',
      data: {
        shops: [
          {
            items: [
              { price: 'a EUR', stock: 7 },
              { price: 'b EUR', stock: 7 },
            ],
          },
          { items: [{ price: 'a VND', stock: 7 }] },
        ],
      },
    },
  ],
};

const labels: Scenario = {
  name: 'override labels',
  environment: { OVERRIDE_LABELS: 'team:next' },
  subgraphs: {
    old: {
      typeDefs: `${federation()} type Query { a: String b: String c: String d: String }`,
      resolvers: { Query: { a: () => 'old', b: () => 'old', c: () => 'old', d: () => 'old' } },
    },
    fresh: {
      typeDefs: `${federation('@override')} type Query {
        a: String @override(from: "old", label: "team:next")
        b: String @override(from: "old", label: "team:later")
        c: String @override(from: "old", label: "percent(100)")
        d: String @override(from: "old", label: "percent(0)")
      }`,
      resolvers: { Query: { a: () => 'fresh', b: () => 'fresh', c: () => 'fresh', d: () => 'fresh' } },
    },
  },
  requests: [{ query: '{ a b c d }', data: { a: 'fresh', b: 'old', c: 'fresh', d: 'old' } }],
};

const authorization: Scenario = {
  name: 'authorisation',
  subgraphs: {
    blog: {
      typeDefs: `${federation('@key', '@authenticated', '@requiresScopes', '@policy')}
        type Query { posts: [Post!] me: User }
        type User @authenticated { name: String mail: String @requiresScopes(scopes: [["mail"], ["read", "admin"]]) }
        type Post @key(fields: "id") { id: ID! title: String views: Int @authenticated draft: String @policy(policies: [["owner"]]) }`,
      resolvers: {
        Query: {
          posts: () => [{ id: '1', title: 'Hello', views: 9, draft: 'soon' }],
          me: () => ({ name: 'Ann', mail: 'ann@example.com' }),
        },
      },
    },
    stats: {
      typeDefs: `${federation('@key', '@external', '@requires', '@authenticated')}
        type Post @key(fields: "id") { id: ID! views: Int @external rank: Int @requires(fields: "views") @authenticated }`,
      resolvers: { Post: { rank: ({ views }: { views: number }) => views + 1 } },
    },
  },
  requests: [
    {
      query: '{ posts { title views rank draft } me { name } }',
      data: { posts: [{ title: 'Hello', views: null, rank: null, draft: null }], me: null },
      errors: ['posts.@.views', 'posts.@.rank', 'posts.@.draft', 'me'].map((path) => ({
        code: 'UNAUTHORIZED_FIELD_OR_TYPE',
        path,
      })),
    },
    {
      query: '{ posts { ...P } } fragment P on Post { id: views title }',
      data: { posts: [{ id: null, title: 'Hello' }] },
      errors: [{ code: 'UNAUTHORIZED_FIELD_OR_TYPE', path: 'posts.@.id' }],
    },
    {
      query: '{ posts { views rank } me { name mail } }',
      claims: { scope: 'read' },
      data: { posts: [{ views: 9, rank: 10 }], me: { name: 'Ann', mail: null } },
      errors: [{ code: 'UNAUTHORIZED_FIELD_OR_TYPE', path: 'me.mail' }],
    },
    { query: '{ me { mail } }', claims: { scope: 'admin read' }, data: { me: { mail: 'ann@example.com' } } },
  ],
};

const federationOne: Scenario = {
  name: 'federation 1',
  supergraphSdl: federationOneSupergraph.replaceAll(/http:\/\/(\w+)/g, '{$1}'),
  subgraphs: {
    people: {
      typeDefs: 'type Query { me: Person } type Person @key(fields: "id") { id: ID! name: String }',
      resolvers: {
        Query: { me: () => ({ id: '1', name: 'Ann' }) },
        Person: { __resolveReference: ({ id }: { id: string }) => ({ id, name: 'Ann' }) },
      },
    },
    orders: {
      typeDefs: `
        type Query { orders: [Order] }
        type Order @key(fields: "id") { id: ID! total: Int buyer: Person @provides(fields: "name") }
        extend type Person @key(fields: "id") {
          id: ID! @external
          name: String @external
          orders: [Order]
          greeting: String @requires(fields: "name")
        }`,
      resolvers: {
        Query: { orders: () => [{ id: 'o', total: 5, buyer: { id: '1', name: 'Ann' } }] },
        Person: { orders: () => [{ id: 'o', total: 5 }], greeting: ({ name }: { name: string }) => `Hello ${name}` },
      },
    },
  },
  requests: [
    {
      query: '{ me { name greeting orders { total } } }',
      data: { me: { name: 'Ann', greeting: 'Hello Ann', orders: [{ total: 5 }] } },
    },
    { query: '{ orders { buyer { name } } }', data: { orders: [{ buyer: { name: 'Ann' } }] } },
  ],
};

const requirements: Scenario = {
  name: 'requirements with arguments',
  subgraphs: {
    parcels: {
      typeDefs: `${federation('@key')} type Query { parcel: Parcel }
        type Parcel @key(fields: "id") { id: ID! title: String weight(unit: String!): Int }`,
      resolvers: {
        Query: { parcel: () => ({ id: '1', title: 'shoes' }) },
        Parcel: { weight: (_: unknown, { unit }: { unit: string }) => ({ kg: 2, lb: 4 })[unit] },
      },
    },
    costs: {
      typeDefs: `${federation('@key', '@external', '@requires')}
        type Parcel @key(fields: "id") {
          id: ID!
          weight(unit: String!): Int @external
          land: Int @requires(fields: "weight(unit: \\"kg\\")")
          air: Int @requires(fields: "weight(unit: \\"lb\\")")
        }`,
      resolvers: {
        Parcel: { land: ({ weight }: { weight: number }) => weight, air: ({ weight }: { weight: number }) => weight },
      },
    },
  },
  requests: [
    { query: '{ parcel { land air } }', data: { parcel: { land: 2, air: 4 } } },
    {
      query: 'query ($unit: String = "lb") { parcel { land ...W } } fragment W on Parcel { weight(unit: $unit) }',
      data: { parcel: { land: 2, weight: 4 } },
    },
    {
      query: '{ parcel { land weight: title id: title __typename } }',
      data: { parcel: { land: 2, weight: 'shoes', id: 'shoes', __typename: 'Parcel' } },
    },
  ],
};

const unreachable: Scenario = {
  name: 'fields without a way',
  subgraphs: {
    nodes: {
      typeDefs: `${federation('@key')} type Query { node: Node other: Int }
        interface Node @key(fields: "id", resolvable: false) { id: ID! }`,
      resolvers: { Query: { other: () => 1 } },
    },
    scores: {
      typeDefs: `${federation('@key', '@interfaceObject')} type Query { best: Node }
        type Node @interfaceObject @key(fields: "id", resolvable: false) { id: ID! score: Int }`,
      resolvers: { Query: { best: () => ({ id: '1', score: 5 }) } },
    },
  },
  requests: [
    {
      query: '{ node { score } other }',
      data: { node: null, other: 1 },
      errors: [{ code: 'FIELD_UNREACHABLE', path: 'node' }],
    },
    { query: '{ node { score } }', data: null, errors: [{ code: 'FIELD_UNREACHABLE', path: 'node' }] },
    { query: '{ best { score } }', data: { best: { score: 5 } } },
  ],
};

/** Resolves to the directives of the field, as the subgraph received them. */
const received = (_parent: unknown, _args: unknown, _context: unknown, info: GraphQLResolveInfo) =>
  info.fieldNodes.flatMap(({ directives = [] }) => directives.map(print)).join(' ');
const reading = (version: string, directive: string) => `${federation('@key', '@composeDirective')}
  @link(url: "https://example.com/read/${version}", import: ["@read"]) @composeDirective(name: "@read")
  directive @read(${directive}) repeatable on FIELD
  enum Source { CACHE STORE }`;

const operationDirectives: Scenario = {
  name: 'directives for operations',
  subgraphs: {
    plain: {
      typeDefs: `${reading('v1.0', 'from: Source!')}
        type Query { item: Item plain: String } type Item @key(fields: "id") { id: ID! }`,
      resolvers: { Query: { item: () => ({ id: '1' }), plain: received } },
    },
    latest: {
      typeDefs: `${reading('v1.1', 'from: Source! = CACHE, seconds: Int = 5')}
        type Item @key(fields: "id") { id: ID! latest: String }`,
      resolvers: { Item: { __resolveReference: byId, latest: received } },
    },
  },
  requests: [
    {
      query: '{ plain @read item { latest @read } }',
      data: { plain: '@read(from: CACHE)', item: { latest: '@read(from: CACHE)' } },
    },
    {
      query:
        'query($from: Source! = STORE) { plain @read(from: $from) item { latest @read(seconds: 1) @read(from: STORE) } }',
      data: { plain: '@read(from: $from)', item: { latest: '@read(seconds: 1, from: CACHE) @read(from: STORE)' } },
    },
  ],
};

/**
 * Scenarios for features that the public audit of federation gateways does not test, and for operations that Apollo's
 * planner plans wrongly.
 */
export const scenarios: readonly Scenario[] = [
  contexts,
  labels,
  authorization,
  federationOne,
  requirements,
  unreachable,
  operationDirectives,
];
