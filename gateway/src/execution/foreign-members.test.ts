import { describe, expect, it } from 'vitest';
import { createTestExecutor } from '../testing/operations/executor.ts';

const people = `
  type Query { me: User node: Node users: [User] }
  interface Node { id: ID! }
  type User implements Node @key(fields: "id") { id: ID! name: String friend: User tags: Tags @shareable }
  type Alien implements Node @key(fields: "id") { id: ID! power: Int }
  type Tags @shareable { mine: String }
`;
const scores = `
  type User @key(fields: "id") { id: ID! score: Int pal: User tags: Tags @shareable }
  type Alien @key(fields: "id") { id: ID! size: Int }
  type Tags @shareable { mine: String theirs: String }
`;

/** Executes an operation. The subgraph `scores` returns `entity` for every representation. */
async function run(text: string, data: Record<string, unknown>, entity: object) {
  const { execute } = createExecutor(data, entity);
  const { data: result, errors } = await execute(text);
  expect(errors).toBeUndefined();
  return result;
}

function createExecutor(data: Record<string, unknown>, entity: object) {
  const executor = createTestExecutor({
    subgraphs: { people, scores },
    respond: ({ subgraph, variables }) =>
      subgraph === 'people'
        ? { data: structuredClone(data) }
        : { data: { _entities: (variables.representations as object[]).map(() => structuredClone(entity)) } },
  });
  return { execute: (text: string) => executor.execute(text) };
}

const user = { __typename: 'User', id: '1', name: 'Ann' };

// Regression: fields that a subgraph returned without a request for them replaced the data of other subgraphs.
describe('executor: a subgraph’s response does not replace', () => {
  it('fields that it was not asked for', async () => {
    const entity = { score: 5, id: '666', name: 'Eve' };
    const data = await run('{ me { id name score } }', { me: user }, entity);
    expect(data).toEqual({ me: { id: '1', name: 'Ann', score: 5 } });
  });

  it('fields of several objects with the same key', async () => {
    const data = await run('{ users { name score } }', { users: [user, user] }, { score: 5, name: 'Eve' });
    expect(data).toEqual({
      users: [
        { name: 'Ann', score: 5 },
        { name: 'Ann', score: 5 },
      ],
    });
  });

  it('fields below those that it was asked for', async () => {
    const me = { ...user, tags: { mine: 'a' }, friend: { name: 'Bob' } };
    const entity = { tags: { mine: 'x', theirs: 'b' }, friend: { name: 'Eve' } };
    const data = await run('{ me { friend { name } tags { mine theirs } } }', { me }, entity);
    expect(data).toEqual({ me: { friend: { name: 'Bob' }, tags: { mine: 'a', theirs: 'b' } } });
  });

  it('the type of an object', async () => {
    const entity = { __typename: 'Alien', score: 5, power: 9, size: 3 };
    const text = '{ node { __typename ... on User { name score } ... on Alien { power size } } }';
    const data = await run(text, { node: user }, entity);
    expect(data).toEqual({ node: { __typename: 'User', name: 'Ann', score: 5 } });
  });
});
