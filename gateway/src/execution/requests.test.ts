import { describe, expect, it } from 'vitest';
import { createTestExecutor, type SentRequest } from '../testing/operations/executor.ts';

const subgraphs = {
  shop: `
    type Query { items: [Item] best: Item find(id: ID, limit: Int): Item }
    type Mutation { buy(id: ID!): Item }
    type Item @key(fields: "id") { id: ID! }
  `,
  store:
    'type Item @key(fields: "id") { id: ID! size: Int owner: Owner twin: Item }  type Owner @key(fields: "id") { id: ID! }',
  people: 'type Owner @key(fields: "id") { id: ID! name(short: Boolean): String }',
};

type Representation = { __typename: string; id: string };

/** Builds the response to a request with `_entities` fields. `entity` returns the entity for one representation. */
function answerEntities({ query, variables }: SentRequest, entity: (representation: Representation) => object | null) {
  const fields = [...query.matchAll(/(?:(\w+):)?_entities\(representations:\$(\w+)\)/g)];
  return {
    data: Object.fromEntries(
      fields.map(([, key = '_entities', variable = '']) => [
        key,
        (variables[variable] as Representation[]).map(entity),
      ]),
    ),
  };
}

function open(root: Record<string, unknown>) {
  const sizes = new Map<string, number>();
  return createTestExecutor({
    subgraphs,
    respond(request) {
      if (request.subgraph === 'shop') return { data: structuredClone(root) };
      if (request.subgraph === 'people')
        return answerEntities(request, ({ id }) => ({ name: `name of ${id}`, short: `short ${id}` }));
      return answerEntities(request, ({ id }) => {
        sizes.set(id, (sizes.get(id) ?? 0) + 1);
        const owner = { __typename: 'Owner', id: `o${id}` };
        return { size: sizes.get(id), owner, twin: { __typename: 'Item', id: `${id}t`, owner } };
      });
    },
  });
}

const item = (id: string) => ({ __typename: 'Item', id });

describe('executor: requests', () => {
  it('have the client’s variables that they use', async () => {
    const executor = open({ find: { id: '1' } });
    await executor.execute(
      'query($id: ID, $limit: Int, $more: ID) { find(id: $id, limit: $limit) { id } b: find(id: $more) { id } }',
      {
        id: 'a "b"',
        more: null,
      },
    );
    expect(executor.sent.map(({ variables }) => variables)).toEqual([{ id: 'a "b"', more: null }]);
  });

  it('to one subgraph in one parallel step are one', async () => {
    const executor = open({ items: [item('1'), item('2')], best: item('3') });
    const { data, errors } = await executor.execute('{ items { size } best { owner { id } } }');
    expect(executor.sent.map(({ subgraph }) => subgraph)).toEqual(['shop', 'store']);
    expect(executor.sent[1]?.query).toMatch(/^query\(.*\)\{_e0:_entities.* _e1:_entities.*\}$/);
    expect(data).toEqual({ items: [{ size: 1 }, { size: 1 }], best: { owner: { id: 'o3' } } });
    expect(errors).toBeUndefined();
  });

  it('of equal fields are one, with each entity once', async () => {
    const executor = open({ items: [item('1'), item('2'), item('1'), null], best: item('2') });
    const { data } = await executor.execute('{ items { size } best { size } }');
    expect(executor.sent[1]?.variables).toEqual({ representations: [item('1'), item('2')] });
    expect(data).toEqual({ items: [{ size: 1 }, { size: 1 }, { size: 1 }, null], best: { size: 1 } });
  });

  it('do not fetch an entity again that an earlier one has got', async () => {
    const executor = open({ best: item('1') });
    const { data } = await executor.execute('{ best { owner { name } twin { owner { name } } } }');
    expect(data).toEqual({ best: { owner: { name: 'name of o1' }, twin: { owner: { name: 'name of o1' } } } });
    const names = executor.sent.filter(({ subgraph }) => subgraph === 'people');
    expect(names.map(({ variables }) => variables.representations)).toEqual([[{ __typename: 'Owner', id: 'o1' }]]);
  });

  it('fetch an entity again after another mutation', async () => {
    const executor = open({ a: item('1'), b: item('1') });
    const { data } = await executor.execute('mutation { a: buy(id: "1") { size } b: buy(id: "1") { size } }');
    const count = executor.sent.filter(({ subgraph }) => subgraph === 'store').length;
    // If the plan fetches the entity twice, each mutation has its own result, because the second mutation may change
    // the entity.
    expect(data).toEqual(count === 1 ? { a: { size: 1 }, b: { size: 1 } } : { a: { size: 1 }, b: { size: 2 } });
  });

  it('give each object of an entity its own copy', async () => {
    const executor = open({ items: [item('1'), item('1')] });
    const { data } = await executor.execute('{ items { owner { name } other: owner { id } } }');
    const one = { owner: { name: 'name of o1' }, other: null };
    expect(data).toEqual({ items: [one, one] });
  });

  it('are none without representations', async () => {
    const executor = open({ items: [null, { __typename: 'Item' }], best: null });
    const { data } = await executor.execute('{ items { size } best { size } }');
    expect(executor.sent).toHaveLength(1);
    expect(data).toEqual({ items: [null, { size: null }], best: null });
  });
});
