import { describe, expect, it } from 'vitest';
import { createTestExecutor } from '../testing/operations/executor.ts';

const subgraphs = {
  a: `
    type Query { item: Item items: [Item!] strict: Item! text: String any: Any shape: Shape shapes: [Shape!]! kind: Kind grid: [[Int!]!] }
    type Item { id: ID! size: Int weight: Float isNew: Boolean name: String! item: Item }
    interface Shape { name: String }
    type Circle implements Shape { name: String! radius: Int! }
    type Square implements Shape { name: String edge: String }
    enum Kind { TOY TOOL }
    scalar Any
  `,
};

const open = (data: object, options: { maxFields?: number } = {}) =>
  createTestExecutor({ subgraphs, respond: () => ({ data: data as never }), ...options });

const run = (data: object, query: string, options: { maxFields?: number } = {}) => open(data, options).execute(query);

const unfit = { message: 'A subgraph answered a value that does not fit its field.' };

describe('executor: values', () => {
  it.each([
    ['a text that has to be escaped', { text: '"\\\n\u2028é𝕏' }, '{ text }'],
    ['a short text with a quote', { text: 'a"b' }, '{ text }'],
    ['a long text with a quote', { text: `"${'x'.repeat(100)}` }, '{ text }'],
    ['a lone surrogate', { text: '\ud800' }, '{ text }'],
    ['a custom scalar', { any: { a: [1, { __proto__x: null }] } }, '{ any }'],
    ['an enum', { kind: 'TOOL' }, '{ kind }'],
    ['lists of lists', { grid: [[1], [], [2, 3]] }, '{ grid }'],
    ['numbers', { item: { size: -0, weight: 1e21, isNew: false } }, '{ item { size weight isNew } }'],
  ])('writes %s as JSON', async (_what, data, query) => {
    const result = await run(data, query);
    expect(result.dataJson).toBe(JSON.stringify(data));
    expect(result.errors).toBeUndefined();
  });

  it.each([
    ['a text for an object', { item: 'x' }, '{ item { id } }', { item: null }, ['item']],
    ['a list for an object', { item: [] }, '{ item { id } }', { item: null }, ['item']],
    ['an object for a list', { items: {} }, '{ items { id } }', { items: null }, ['items']],
    ['an object for a text', { text: {} }, '{ text }', { text: null }, ['text']],
    ['a fraction for an Int', { item: { size: 1.5 } }, '{ item { size } }', { item: { size: null } }, ['item', 'size']],
    [
      'a number beyond an Int',
      { item: { size: 2 ** 31 } },
      '{ item { size } }',
      { item: { size: null } },
      ['item', 'size'],
    ],
    [
      'a text for a Float',
      { item: { weight: '1' } },
      '{ item { weight } }',
      { item: { weight: null } },
      ['item', 'weight'],
    ],
    ['an unknown enum value', { kind: 'x' }, '{ kind }', { kind: null }, ['kind']],
    [
      'a null in an entry',
      { items: [{ name: 'a' }, { name: null }] },
      '{ items { name } }',
      { items: null },
      ['items', 1, 'name'],
    ],
    ['an entry that is missing', { grid: [[1], [null]] }, '{ grid }', { grid: null }, ['grid', 1, 0]],
    ['a null at the root', { strict: null, text: 'x' }, '{ text strict { id } }', null, ['strict']],
    ['an object of another type', { shape: { __typename: 'Item' } }, '{ shape { name } }', { shape: null }, ['shape']],
    ['an object of no type', { shape: { __typename: 7 } }, '{ shape { name } }', { shape: null }, ['shape']],
  ])('reports %s at its path, and keeps other fields', async (_what, data, query, expected, path) => {
    const result = await run(data, query);
    expect(result.data).toEqual(expected);
    expect(result.errors).toMatchObject([{ ...unfit, path, extensions: { code: 'SUBGRAPH_INVALID_RESPONSE' } }]);
  });

  // Apollo's executor differs: it takes nullability from the interface's field.
  it('go by the field of the object’s own type', async () => {
    const shapes = [
      { __typename: 'Square', name: null },
      { __typename: 'Circle', name: 'c', radius: null },
    ];
    const result = await run({ shapes: [shapes[0]] }, '{ shapes { name } }');
    expect(result.data).toEqual({ shapes: [{ name: null }] });
    expect((await run({ shape: { __typename: 'Circle', name: null } }, '{ shape { name } }')).data).toEqual({
      shape: null,
    });
  });

  // Apollo's executor differs: it returns an ID as a number if the subgraph returned a number.
  it('of the type ID are texts', async () => {
    expect((await run({ item: { id: 7 } }, '{ item { id } }')).data).toEqual({ item: { id: '7' } });
  });

  it('have the order of the specification', async () => {
    const data = { text: 'x', kind: 'TOY', item: { id: '1', name: 'n', size: 1 } };
    const query = '{ item { name } ...F text item { id } } fragment F on Query { kind item { size name } }';
    expect((await run(data, query)).dataJson).toBe('{"item":{"name":"n","size":1,"id":"1"},"kind":"TOY","text":"x"}');
  });

  it('are never inherited ones', async () => {
    const query = '{ constructor: text toString: item { id } __proto__: any }';
    expect((await run({}, query)).dataJson).toBe('{"constructor":null,"toString":null,"__proto__":null}');
    const own = JSON.parse('{"constructor":"a","toString":{"id":"1"},"__proto__":{"b":1}}');
    expect((await run(own, query)).dataJson).toBe(JSON.stringify(own));
    expect(({} as { b?: number }).b).toBeUndefined();
  });

  it('are the same if no compiled form is kept', async () => {
    const data = { items: [{ id: '1', name: 'a', item: { id: '2', name: 'b' } }] };
    const query = '{ items { name item { name id } } }';
    expect(await run(data, query, { maxFields: 0 })).toEqual(await run(data, query));
  });

  it('of introspection are those of graphql-js', async () => {
    const { data } = await run(
      { text: 'x' },
      '{ text t: __type(name: "Kind") { name enumValues { name } } __schema { queryType { name } } }',
    );
    expect(data).toEqual({
      text: 'x',
      t: { name: 'Kind', enumValues: [{ name: 'TOY' }, { name: 'TOOL' }] },
      __schema: { queryType: { name: 'Query' } },
    });
  });

  it('that are nested deeply do not cost other fields', async () => {
    let any: unknown = null;
    for (let level = 0; level < 100_000; level += 1) any = [any];
    expect((await run({ any, text: 'x' }, '{ any text }')).dataJson).toMatch(/,"text":"x"}$/);
  });
});
