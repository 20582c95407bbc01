import { describe, expect, it } from 'vitest';
import { answerBy } from '../testing/operations/answer-by.ts';
import { createTestExecutor } from '../testing/operations/executor.ts';

const prices = `
  type Query { shops: [Shop!]! user: User stall: Stall seller: Seller }
  interface Seller { id: ID! item: Item }
  type Shop implements Seller @key(fields: "id") @context(name: "seller") { id: ID! currency: String! item: Item items: [Item!]! boss: User }
  type Stall implements Seller @key(fields: "id") @context(name: "seller") { id: ID! settings: Settings! item: Item }
  type Settings { money: String }
  type User @key(fields: "id") { id: ID! shop: Shop }
  type Item @key(fields: "id") {
    id: ID!
    price(digits: Int, currency: String @fromContext(field: "$seller ... on Shop { currency } ... on Stall { settings { money } }")): String
    twin: Item
  }
`;
const shops = [
  { __typename: 'Shop', id: '1', currency: 'EUR', items: [{ id: 'a' }, { id: 'b' }], item: { id: 'c' } },
  { __typename: 'Shop', id: '2', currency: 'VND', items: [{ id: 'a' }], item: { id: 'a' } },
  { __typename: 'Shop', id: '3', currency: 'EUR', items: [], item: null },
];
const stall = { __typename: 'Stall', id: '4', settings: { money: 'USD' }, item: { id: 'd' } };
const subgraphs = { prices, stock: 'type Query { none: Int } type Item @key(fields: "id") { id: ID! stock: Int }' };
const respond = answerBy({
  prices: {
    typeDefs: prices,
    resolvers: {
      Query: { shops: () => shops, stall: () => stall, seller: () => stall },
      Item: {
        __resolveReference: ({ id }: { id: string }) => ({ id }),
        price: ({ id }: { id: string }, { currency, digits }: { currency?: string; digits?: number }) =>
          `${id} ${currency ?? 'free'}${digits ?? ''}`,
        twin: ({ id }: { id: string }) => ({ id: `${id}${id}` }),
      },
    },
  },
  stock: { typeDefs: subgraphs.stock, resolvers: { Item: { stock: () => 7 } } },
});
const run = async (text: string, variables: Record<string, unknown> = {}) => {
  const executor = createTestExecutor({ subgraphs, respond });
  const { data, errors } = await executor.execute(text, variables);
  return { data, errors, sent: executor.sent };
};

describe('executor: arguments from the context', () => {
  it('have the value of the object around each entity, in one request', async () => {
    const { data, errors, sent } = await run('{ shops { items { price } item { price stock } } }');
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      shops: [
        { items: [{ price: 'a EUR' }, { price: 'b EUR' }], item: { price: 'c EUR', stock: 7 } },
        { items: [{ price: 'a VND' }], item: { price: 'a VND', stock: 7 } },
        { items: [], item: null },
      ],
    });
    const asked = sent.filter(({ query }) => query.includes('price'));
    expect(asked.map(({ variables }) => Object.keys(variables).length)).toEqual([4, 4]);
  });

  it.each([
    ['the type itself', '{ stall { item { price } } }', { stall: { item: { price: 'd USD' } } }],
    ['a fragment', '{ seller { ... on Stall { item { price } } } }', { seller: { item: { price: 'd USD' } } }],
  ])('are selected by type, by way of %s', async (_way, text, data) => {
    expect(await run(text)).toMatchObject({ data });
  });

  // Apollo's planner finds no plan. The gateway replaces the planner's error. Otherwise clients would see an internal
  // error.
  it('are an error where the planner does not find them', async () => {
    await expect(run('{ seller { item { price } } }')).rejects.toThrow('unreachable');
  });

  it('come from further out, too', async () => {
    expect((await run('{ stall { item { twin { twin { price } } } } }')).data).toEqual({
      stall: { item: { twin: { twin: { price: 'dddd USD' } } } },
    });
  });

  it.each([
    ['aliases and variables', 'query ($d: Int) { shops { currency: id items { cost: price(digits: $d) price } } }'],
    [
      'fragments',
      'query ($d: Int) { shops { currency: id ...A } } fragment A on Shop { items { ...B } } fragment B on Item { cost: price(digits: $d) price }',
    ],
  ])('do not disturb %s', async (_what, text) => {
    const { data, errors } = await run(text, { d: 2 });
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({
      shops: [
        { currency: '1', items: [{ cost: 'a EUR2', price: 'a EUR' }, { cost: 'b EUR2' }] },
        { currency: '2', items: [{ cost: 'a VND2', price: 'a VND' }] },
        { currency: '3' },
      ],
    });
  });

  it('have errors at the paths of their entities', async () => {
    const executor = createTestExecutor({
      subgraphs,
      async respond(request) {
        const response = await respond(request);
        const [key] = Object.keys(response.data ?? {}).filter((each) => each.endsWith('_1'));
        return key === undefined
          ? response
          : { ...response, errors: [{ message: 'no', path: [key, 0, 'price'], extensions: { code: 'NOT_FOUND' } }] };
      },
    });
    const { errors } = await executor.execute('{ shops { items { price } } }');
    expect(errors).toMatchObject([{ path: ['shops', 1, 'items', 0, 'price'] }]);
  });
});

describe('executor: override labels', () => {
  const fields = {
    old: 'type Query { a: String b: String }',
    fresh: `
      type Query {
        a: String @override(from: "old", label: "a:next")
        b: String @override(from: "old", label: "percent(5)")
      }`,
  };
  const answer = answerBy(
    Object.fromEntries(
      Object.entries(fields).map(([name, typeDefs]) => [
        name,
        { typeDefs, resolvers: { Query: { a: () => `a of ${name}`, b: () => `b of ${name}` } } },
      ]),
    ),
  );

  it.each([
    [[], { a: 'a of old', b: 'b of old' }],
    [['a:next'], { a: 'a of fresh', b: 'b of old' }],
    [['a:next', 'percent(5)'], { a: 'a of fresh', b: 'b of fresh' }],
  ])('that are on (%j) move their fields', async (overrides, data) => {
    const executor = createTestExecutor({ subgraphs: fields, respond: answer, overrides });
    expect((await executor.execute('{ a b }')).data).toEqual(data);
  });
});
