import { describe, expect, it } from 'vitest';
import { createTestExecutor } from '../testing/operations/executor.ts';

const subgraphs = {
  shop: `
    type Query { medias: [Media] }
    interface Media @key(fields: "id") { id: ID! title: String }
    type Book implements Media @key(fields: "id") { id: ID! title: String }
    type Film implements Media @key(fields: "id") { id: ID! title: String }
  `,
  scores: `
    type Query { best: Media }
    type Media @interfaceObject @key(fields: "id") { id: ID! score: Int }
  `,
};

describe('executor: interface objects', () => {
  // Apollo's executor overwrites `__typename` with the interface's name, and then omits the fragment's fields.
  it('keep the type that their own subgraph has named', async () => {
    const executor = createTestExecutor({
      subgraphs,
      respond: ({ subgraph }) =>
        subgraph === 'shop'
          ? { data: { medias: [{ __typename: 'Book', id: '1' }] } }
          : { data: { _entities: [{ __typename: 'Media', score: 7 }] } },
    });
    const { data } = await executor.execute('{ medias { ... on Book { __typename score } } }');
    expect(data).toEqual({ medias: [{ __typename: 'Book', score: 7 }] });
    expect(executor.sent[1]?.variables).toEqual({ representations: [{ __typename: 'Media', id: '1' }] });
  });

  it('keep their types where one entity belongs to objects of several', async () => {
    const executor = createTestExecutor({
      subgraphs,
      respond: ({ subgraph }) =>
        subgraph === 'shop'
          ? { data: { medias: ['Book', 'Film', 'Book'].map((name) => ({ __typename: name, id: '1' })) } }
          : { data: { _entities: [{ __typename: 'Media', score: 7 }] } },
    });
    const { data } = await executor.execute('{ medias { __typename score ... on Film { id } } }');
    expect(executor.sent[1]?.variables).toEqual({ representations: [{ __typename: 'Media', id: '1' }] });
    expect(data).toEqual({
      medias: [
        { __typename: 'Book', score: 7 },
        { __typename: 'Film', score: 7, id: '1' },
        { __typename: 'Book', score: 7 },
      ],
    });
  });

  it('get the name of their type from another subgraph, under its alias', async () => {
    const executor = createTestExecutor({
      subgraphs,
      respond: ({ subgraph, query }) => {
        if (subgraph === 'scores') return { data: { best: { __typename: 'Media', id: '1', score: 7 } } };
        return { data: { _entities: [{ __typename: 'Film', ...(query.includes('kind') && { kind: 'Film' }) }] } };
      },
    });
    expect((await executor.execute('{ best { kind: __typename score } }')).data).toEqual({
      best: { kind: 'Film', score: 7 },
    });
  });

  it('are errors if no subgraph knows their type', async () => {
    const executor = createTestExecutor({
      subgraphs,
      respond: ({ subgraph }) =>
        subgraph === 'scores'
          ? { data: { best: { __typename: 'Media', id: '1', score: 7 } } }
          : { data: { _entities: [null] } },
    });
    const { data, errors } = await executor.execute('{ best { __typename score } }');
    expect(data).toEqual({ best: null });
    expect(errors).toMatchObject([{ path: ['best', '__typename'], extensions: { code: 'SUBGRAPH_INVALID_RESPONSE' } }]);
  });
});
