import { GraphQLError } from 'graphql';
import { describe, expect, it } from 'vitest';
import { createTestExecutor, type SentRequest } from '../testing/operations/executor.ts';
import type { SubgraphResponse } from './subgraph/subgraph-response.ts';

const subgraphs = {
  shop: 'type Query { items: [Item] best: Item text: String }  type Item @key(fields: "id") { id: ID! }',
  store: 'type Item @key(fields: "id") { id: ID! size: Int mass: Int }',
};
const item = (id: string) => ({ __typename: 'Item', id });
const root = { items: [item('1'), null, item('2'), item('1')], best: item('3'), text: 'x' };

function execute(query: string, respond: (request: SentRequest) => SubgraphResponse) {
  const executor = createTestExecutor({
    subgraphs,
    respond: (request) => (request.subgraph === 'shop' ? { data: structuredClone(root) } : respond(request)),
  });
  return executor.execute(query);
}

const pathsOf = (errors: readonly GraphQLError[] | undefined) => errors?.map(({ path }) => path);

describe('executor: errors of entities', () => {
  // Apollo's executor also counts list items without a representation, and so reports errors at wrong indexes.
  it('are at the path of each object of the entity', async () => {
    const { data, errors } = await execute('{ items { size } }', () => ({
      data: { _entities: [{ size: null }, { size: 2 }] },
      errors: [{ message: 'no', path: ['_entities', 0, 'size'], extensions: { code: 'NO' } }],
    }));
    expect(data).toEqual({ items: [{ size: null }, null, { size: 2 }, { size: null }] });
    expect(errors).toMatchObject([
      { message: 'no', path: ['items', 0, 'size'], extensions: { code: 'NO', serviceName: 'store' } },
      { message: 'no', path: ['items', 3, 'size'] },
    ]);
  });

  it('are at their own paths when requests are merged', async () => {
    const { errors } = await execute('{ items { size } best { mass } }', () => ({
      data: { _e0: [{ size: 1 }, { size: 2 }], _e1: [{ mass: null }] },
      errors: [{ message: 'no', path: ['_e1', 0, 'mass'] }],
    }));
    expect(errors).toMatchObject([{ path: ['best', 'mass'], extensions: { code: 'DOWNSTREAM_SERVICE_ERROR' } }]);
  });

  it('of the whole field are at the path of its list', async () => {
    const { errors } = await execute('{ items { size } }', () => ({
      data: null,
      errors: [{ message: 'no', path: ['_entities'] }],
    }));
    expect(pathsOf(errors)).toEqual([['items']]);
  });

  it('without a path have none', async () => {
    const { data, errors } = await execute('{ items { size } }', () => ({ data: null, errors: [{ message: 'no' }] }));
    expect(data?.items).toEqual([{ size: null }, null, { size: null }, { size: null }]);
    expect(pathsOf(errors)).toEqual([undefined]);
  });

  it('are at most 100 per response', async () => {
    const { errors } = await execute('{ items { size } }', () => ({
      data: { _entities: [null, null] },
      errors: Array.from({ length: 100 }, () => ({ message: 'no', path: ['_entities', 0] })),
    }));
    expect(errors).toHaveLength(100);
  });
});

describe('executor: a failed request', () => {
  const away = () => {
    throw new GraphQLError('away', { extensions: { code: 'SUBGRAPH_UNAVAILABLE' } });
  };

  it('is an error at each path that lacks data', async () => {
    const { data, errors } = await execute('{ items { size } best { mass } text }', away);
    expect(data).toMatchObject({ text: 'x', best: { mass: null } });
    expect(errors).toMatchObject([
      { path: ['items'], extensions: { code: 'SUBGRAPH_UNAVAILABLE' } },
      { path: ['best'] },
    ]);
  });

  it('is an error at each root field', async () => {
    const executor = createTestExecutor({ subgraphs, respond: away });
    const { data, errors } = await executor.execute('{ items { id } t: text }');
    expect(data).toEqual({ items: null, t: null });
    expect(pathsOf(errors)).toEqual([['items'], ['t']]);
  });
});

describe('executor: an unfit response', () => {
  it.each([
    ['too few entities', { _entities: [{ size: 1 }] }, [['items']]],
    ['no list', { _entities: { size: 1 } }, [['items']]],
    ['nothing', {}, [['items']]],
    ['entities that are no objects', { _entities: [{ size: 1 }, 'x'] }, [['items', 2]]],
  ])('costs only its own fields: %s', async (_what, data, paths) => {
    const result = await execute('{ text items { size } }', () => ({ data }));
    expect(result.data).toMatchObject({ text: 'x' });
    expect(pathsOf(result.errors)).toEqual(paths);
    for (const { extensions } of result.errors ?? []) expect(extensions.code).toBe('SUBGRAPH_INVALID_RESPONSE');
  });
});

describe('executor: an unfit value', () => {
  it('is reported besides an error of another field', async () => {
    const { errors } = await execute('{ items { size } best { mass } }', () => ({
      data: { _e0: [{ size: 'x' }, { size: 2 }], _e1: [{ mass: null }] },
      errors: [{ message: 'no', path: ['_e1', 0, 'mass'], extensions: { code: 'NO' } }],
    }));
    expect(errors?.map(({ path, extensions }) => [extensions.code, path])).toEqual([
      ['NO', ['best', 'mass']],
      ['SUBGRAPH_INVALID_RESPONSE', ['items', 0, 'size']],
      ['SUBGRAPH_INVALID_RESPONSE', ['items', 3, 'size']],
    ]);
  });
});
