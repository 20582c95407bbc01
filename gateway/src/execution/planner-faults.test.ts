import { describe, expect, it } from 'vitest';
import { answerBy } from '../testing/operations/answer-by.ts';
import { createTestExecutor, type SentRequest } from '../testing/operations/executor.ts';

const representations = ({ variables }: SentRequest) => variables.representations as Record<string, unknown>[];

const shop = {
  parcels: `
    type Query { parcel: Parcel parcels: [Parcel] }
    type Parcel @key(fields: "id") {
      id: ID! title: String weight(unit: String! = "g"): Int
      stops(first: Int!): [Stop] box: Box item: Item
    }
    type Stop { city: String }
    type Box { size(unit: String!): Int }
    interface Item { price(in: String!): Int }
    type Book implements Item { price(in: String!): Int }
  `,
  costs: `
    type Parcel @key(fields: "id") {
      id: ID!
      weight(unit: String! = "g"): Int @external
      stops(first: Int!): [Stop] @external
      box: Box @external
      item: Item @external
      post: Int @requires(fields: "weight(unit: \\"kg\\")")
      sea: Int @requires(fields: "weight(unit: \\"lb\\")")
      air: Int @requires(fields: "weight")
      road: Int @requires(fields: "stops(first: 3) { city }")
      stack: Int @requires(fields: "box { size(unit: \\"cm\\") }")
      insured: Int @requires(fields: "item { price(in: \\"EUR\\") }")
      free: Boolean
    }
    type Stop { city: String @external }
    type Box { size(unit: String!): Int @external }
    interface Item { price(in: String!): Int }
    type Book implements Item { price(in: String!): Int @external }
  `,
};

interface Sent {
  weight?: number;
  stops?: object[];
  box?: { size: number };
  item?: { price: number };
}

/** The subgraphs. They compute costs from the representations, so that a wrong representation changes the result. */
const respond = answerBy({
  parcels: {
    typeDefs: shop.parcels,
    resolvers: {
      Query: { parcel: () => ({ id: '1', title: 'shoes', box: {}, item: { __typename: 'Book' } }) },
      Parcel: {
        weight: (_: unknown, { unit }: { unit: string }) => ({ kg: 2, lb: 4 })[unit] ?? 2_000,
        stops: (_: unknown, { first }: { first: number }) =>
          ['A', 'B', 'C', 'D'].slice(0, first).map((city) => ({ city })),
      },
      Box: { size: (_: unknown, { unit }: { unit: string }) => (unit === 'cm' ? 30 : 12) },
      Book: { price: (_: unknown, { in: currency }: { in: string }) => (currency === 'EUR' ? 9 : 8) },
    },
  },
  costs: {
    typeDefs: shop.costs,
    resolvers: {
      Parcel: {
        __resolveReference: (parcel: object) => parcel,
        post: ({ weight }: Sent) => weight,
        sea: ({ weight }: Sent) => weight,
        air: ({ weight }: Sent) => weight,
        road: ({ stops }: Sent) => stops?.length,
        stack: ({ box }: Sent) => box?.size,
        insured: ({ item }: Sent) => item?.price,
        free: () => true,
      },
    },
  },
});

describe('executor: a requirement with arguments', () => {
  // Apollo's planner merges a client's field and a required field that differ only in their arguments. One of the two
  // values is lost.
  it.each([
    ['a literal', '{ parcel { road stops(first: 1) { city } } }', {}],
    ['a variable', 'query ($first: Int!) { parcel { road stops(first: $first) { city } } }', { first: 1 }],
    [
      'fragments',
      '{ parcel { ...A ...B } } fragment A on Parcel { road } fragment B on Parcel { stops(first: 1) { city } }',
      {},
    ],
  ])('leaves the client its own, by %s', async (_by, text, variables) => {
    const executor = createTestExecutor({ subgraphs: shop, respond });
    expect(await executor.execute(text, variables)).toMatchObject({
      data: { parcel: { road: 3, stops: [{ city: 'A' }] } },
    });
  });

  it.each([
    ['an object', '{ parcel { stack box { size(unit: "in") } } }', { stack: 30, box: { size: 12 } }],
    ['an interface', '{ parcel { insured item { price(in: "USD") } } }', { insured: 9, item: { price: 8 } }],
  ])('leaves the client its own within %s', async (_in, text, parcel) => {
    const executor = createTestExecutor({ subgraphs: shop, respond });
    expect((await executor.execute(text)).data).toEqual({ parcel });
  });

  it('has its own value beside another one, and beside the default', async () => {
    const executor = createTestExecutor({ subgraphs: shop, respond });
    const { data, errors } = await executor.execute('{ parcel { post sea air free weight(unit: "lb") } }');
    expect(errors).toBeUndefined();
    expect(data).toEqual({ parcel: { post: 2, sea: 4, air: 2_000, free: true, weight: 4 } });
    expect(executor.sent.map(({ subgraph }) => subgraph)).toEqual(['parcels', 'costs']);
  });
});

describe('executor: a client’s alias', () => {
  it.each([
    ['a key', '{ parcel { id: title free } }', { id: 'shoes', free: true }],
    ['a requirement', '{ parcel { weight: title post } }', { weight: 'shoes', post: 2 }],
    ['the name of the type', '{ parcel { __typename: title free } }', { __typename: 'shoes', free: true }],
    // If a `@requires` passes arguments to a field, the gateway adds a field such as `weight__required0` to the
    // planner's schema. Here a client uses the name of that added field as an alias.
    ['such a field', '{ parcel { post weight__required0: title } }', { post: 2, weight__required0: 'shoes' }],
    [
      'such a field beside another',
      '{ parcel { weight__required1: title post sea } }',
      { weight__required1: 'shoes', post: 2, sea: 4 },
    ],
  ])('may be the name of %s', async (_what, text, parcel) => {
    const executor = createTestExecutor({ subgraphs: shop, respond });
    expect((await executor.execute(text)).data).toEqual({ parcel });
  });

  it('is in the path of an error', async () => {
    const executor = createTestExecutor({
      subgraphs: shop,
      respond: () => ({
        data: { parcel: { __typename: 'Parcel', id: '1', own_weight: null } },
        errors: [{ message: 'no', path: ['parcel', 'own_weight'], extensions: { code: 'NOT_FOUND' } }],
      }),
    });
    const { errors } = await executor.execute('{ parcel { weight: title } }');
    expect(errors).toMatchObject([{ path: ['parcel', 'weight'] }]);
  });
});

describe('executor: a client’s variable', () => {
  const echo = {
    people: 'type Query { me: Person } type Person @key(fields: "id") { id: ID! }',
    names: 'scalar Any type Person @key(fields: "id") { id: ID! echo(of: Any): Any }',
  };

  // Regression: the representations overwrote a client's variable with one of these names. A field that returns its
  // argument (`echo`) then returned the representations.
  it.each(['representations', 'representations_1', 'contextualArgument_1_0', 'contextualArgument_2_10_3', '__proto__'])(
    'may not be $%s, which is reserved',
    async (name) => {
      const executor = createTestExecutor({ subgraphs: echo, respond });
      await expect(executor.execute(`query ($${name}: Any) { me { echo(of: $${name}) } }`)).rejects.toThrow(
        /"kind":"invalid".*The name of the variable .* is reserved.*"positions":\[7\]/,
      );
    },
  );

  it('may have a name that only starts like one of those', async () => {
    const executor = createTestExecutor({
      subgraphs: echo,
      respond: ({ subgraph, variables }) =>
        subgraph === 'people'
          ? { data: { me: { __typename: 'Person', id: '1' } } }
          : { data: { _entities: [{ echo: variables.representationsOf }] } },
    });
    const text = 'query ($representationsOf: Any) { me { echo(of: $representationsOf) } }';
    expect((await executor.execute(text, { representationsOf: 7 })).data).toEqual({ me: { echo: 7 } });
  });
});

describe('executor: a key that is not resolvable', () => {
  const subgraphs = {
    people: `
      type Query { person: Person }
      type Person @key(fields: "id") @key(fields: "tax { code }") @key(fields: "id tax { country }") { id: ID! name: String! tax: Tax }
      type Tax @shareable { code: ID! country: ID! }
    `,
    orders: `
      type Query { order: Order }
      type Order { person: Person }
      type Person
        @key(fields: "tax { code }", resolvable: false)
        @key(fields: "id tax { country }")
        @key(fields: "id", resolvable: false) {
        id: ID! name: String! @external tax: Tax greeting: String @requires(fields: "name")
      }
      type Tax @shareable { code: ID! country: ID! }
    `,
  };

  it('is not used to enter its subgraph again', async () => {
    const executor = createTestExecutor({
      subgraphs,
      respond: ({ subgraph, query }) => {
        const person = { __typename: 'Person', id: '1', tax: { code: '7', country: 'VN' } };
        if (!query.includes('_entities')) return { data: { order: { person } } };
        return { data: { _entities: [subgraph === 'people' ? { name: 'Ann' } : { greeting: 'Hello Ann' }] } };
      },
    });
    expect((await executor.execute('{ order { person { greeting } } }')).data).toEqual({
      order: { person: { greeting: 'Hello Ann' } },
    });
    const [entered] = representations(executor.sent.at(-1) as SentRequest);
    expect(entered).toEqual({ __typename: 'Person', id: '1', name: 'Ann', tax: { country: 'VN' } });
  });
});

describe('executor: a field that no subgraph can be asked for', () => {
  const subgraphs = {
    nodes:
      'type Query { node: Node nodes: [Node!] other: Int } interface Node @key(fields: "id", resolvable: false) { id: ID! }',
    scores: `
      type Query { best: Node }
      type Node @interfaceObject @key(fields: "id", resolvable: false) { id: ID! score: Int }
    `,
  };
  const values = { other: 1, best: { score: 5 }, node: { id: '1' }, nodes: [{ id: '1', key: '1' }] };
  const answer = ({ query }: SentRequest) => ({
    data: Object.fromEntries(Object.entries(values).filter(([key]) => query.includes(`${key}{`) || key === 'other')),
  });

  // Apollo's planner returns a plan without the field `score`, and reports no error.
  it.each([
    ['{ node { score } other }', { node: null, other: 1 }, ['node']],
    ['{ node { id score } other }', { node: { id: '1', score: null }, other: 1 }, ['node', 'score']],
    ['{ nodes { id: score key: id } }', { nodes: [{ id: null, key: '1' }] }, ['nodes', '@', 'id']],
  ])('%s lacks only that field', async (text, data, path) => {
    const executor = createTestExecutor({ subgraphs, respond: answer });
    const result = await executor.execute(text);
    expect(result.data).toEqual(data);
    expect(result.errors).toMatchObject([{ path, extensions: { code: 'FIELD_UNREACHABLE' } }]);
    expect(result.errors).toHaveLength(1);
  });

  it('refuses an operation that has no other, as the planner does where it notices', async () => {
    const executor = createTestExecutor({ subgraphs, respond: answer });
    await expect(executor.execute('{ node { score } }')).rejects.toThrow(
      /"kind":"refused".*"code":"FIELD_UNREACHABLE".*"path":\["node"\]/,
    );
    expect(executor.sent).toEqual([]);
  });

  it('is none where the subgraph itself is the entry', async () => {
    const executor = createTestExecutor({ subgraphs, respond: answer });
    expect(await executor.execute('{ best { score } }')).toMatchObject({ data: { best: { score: 5 } } });
  });
});
