import { describe, expect, it } from 'vitest';
import { answerBy } from '../testing/operations/answer-by.ts';
import { createTestExecutor, type SentRequest } from '../testing/operations/executor.ts';

const entries = [
  { __typename: 'Photo', place: { id: '1' }, made: { by: { id: '5' } } },
  { __typename: 'Video', place: { id: '2' }, made: { by: { id: '6' } } },
  { __typename: 'Text', place: { id: '1' } },
];

const completes = (field: string, types = ['Place']) => ({
  typeDefs: types.map((type) => `type ${type} @key(fields: "id") { id: ID! ${field}: String! }`).join(' '),
  resolvers: Object.fromEntries(
    types.map((type) => [
      type,
      { __resolveReference: (place: object) => place, [field]: ({ id }: { id: string }) => `${field} ${id}` },
    ]),
  ),
});

/**
 * The subgraph `feed` returns objects of several types, which refer to the entities `Place` and `Maker`. Other
 * subgraphs have the fields of these entities.
 */
const subgraphs = {
  feed: {
    typeDefs: `
      type Query { first: Entry feed: [Entry!]! lists: [[Entry!]!]! located: Located }
      union Entry = Photo | Video | Text
      interface Located { place: Place }
      type Photo implements Located { place: Place made: Making }
      type Video implements Located { place: Place made: Making }
      type Text implements Located { place: Place }
      type Making { by: Maker }
      type Place @key(fields: "id") { id: ID! }
      type Maker @key(fields: "id") { id: ID! }
    `,
    resolvers: {
      Query: {
        first: () => entries[0],
        feed: () => entries,
        lists: () => [entries, [entries[1]]],
        located: () => entries[1],
      },
    },
  },
  maps: completes('street'),
  travel: completes('country'),
  people: completes('nick', ['Maker']),
};

const create = (answer = answerBy(subgraphs)) =>
  createTestExecutor({
    subgraphs: Object.fromEntries(Object.entries(subgraphs).map(([name, { typeDefs }]) => [name, typeDefs])),
    respond: answer,
  });
const representations = ({ variables }: SentRequest) =>
  Object.values(variables).flatMap((list) => (list as { id: string }[]).map(({ id }) => id));

describe('executor: fragments on types with the same entity', () => {
  it.each([
    [
      'an object',
      '{ first { ... on Photo { place { at: street } } ... on Video { place { at: country } } } }',
      { first: { place: { at: 'street 1' } } },
    ],
    [
      'a list',
      '{ feed { ... on Photo { place { at: street } } ... on Video { place { at: country } } } }',
      { feed: [{ place: { at: 'street 1' } }, { place: { at: 'country 2' } }, {}] },
    ],
    [
      'lists of lists',
      '{ lists { ... on Photo { place { at: street } } ... on Video { place { at: country } } } }',
      {
        lists: [[{ place: { at: 'street 1' } }, { place: { at: 'country 2' } }, {}], [{ place: { at: 'country 2' } }]],
      },
    ],
    [
      'an interface',
      '{ located { ... on Photo { place { at: street } } ... on Video { place { at: country } } } }',
      { located: { place: { at: 'country 2' } } },
    ],
    [
      'a fragment on several of them',
      '{ feed { ... on Text { place { at: street } } ...Rest } } fragment Rest on Entry { ... on Photo { place { at: country } } ... on Video { place { at: country } } }',
      { feed: [{ place: { at: 'country 1' } }, { place: { at: 'country 2' } }, { place: { at: 'street 1' } }] },
    ],
  ])('have each their own fields under the same keys, in %s', async (_in, text, data) => {
    const result = await create().execute(text);
    expect(result.errors).toBeUndefined();
    expect(result.data).toEqual(data);
  });

  it('ask for the entities of their own type only', async () => {
    const executor = create();
    await executor.execute('{ feed { ... on Photo { place { street } } ... on Video { place { country } } } }');
    const asked = executor.sent.slice(1).map((request) => [request.subgraph, representations(request)]);
    expect(asked.sort()).toEqual([
      ['maps', ['1']],
      ['travel', ['2']],
    ]);
  });

  it('have no error of a subgraph that another type’s fragment needs', async () => {
    const answer = answerBy(subgraphs);
    const executor = create((request) => {
      if (request.subgraph === 'travel') throw new Error('down');
      return answer(request);
    });
    const text = '{ first { ... on Photo { place { street } } ... on Video { place { country } } } }';
    expect(await executor.execute(text)).toEqual({ data: { first: { place: { street: 'street 1' } } } });
  });

  it('have the errors of their own subgraph at their objects', async () => {
    const answer = answerBy(subgraphs);
    const executor = create(async (request) =>
      request.subgraph === 'maps'
        ? { data: { _entities: [null] }, errors: [{ message: 'gone', path: ['_entities', 0, 'street'] }] }
        : answer(request),
    );
    const { data, errors } = await executor.execute('{ feed { ... on Video { place { street } } } }');
    expect(data).toEqual({ feed: [{}, { place: null }, {}] });
    expect(errors?.map(({ path }) => path)).toEqual([['feed', 1, 'place', 'street']]);
  });

  it('are one request if they select the same', async () => {
    const executor = create();
    const { data } = await executor.execute(
      '{ feed { ... on Photo { place { street } made { by { nick } } } ... on Video { place { street } made { by { nick } } } } }',
    );
    expect(data).toEqual({
      feed: [
        { place: { street: 'street 1' }, made: { by: { nick: 'nick 5' } } },
        { place: { street: 'street 2' }, made: { by: { nick: 'nick 6' } } },
        {},
      ],
    });
    expect(executor.sent.map(({ subgraph }) => subgraph).sort()).toEqual(['feed', 'maps', 'people']);
  });
});
