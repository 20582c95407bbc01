import { describe, expect, it } from 'vitest';
import { answerBy } from '../testing/operations/answer-by.ts';
import { createTestExecutor, type TestExecutorOptions } from '../testing/operations/executor.ts';

const people = `
  type Query { me: Person them: [Person!]! party: Party found: [Found!] }
  type Person @key(fields: "email") { email: String @authenticated age: Int card: Card! }
  type Card @key(fields: "number holder { tax }") { number: ID! @authenticated holder: Holder }
  type Holder { tax: String @authenticated name: String }
  interface Party { email: String }
  type Company implements Party @key(fields: "email") { email: String }
  type Union implements Party @key(fields: "email") { email: String @authenticated }
  union Found = Company | Union
`;
const names = `
  type Person @key(fields: "email") { email: String name: String }
  type Card @key(fields: "number holder { tax }") { number: ID! holder: Holder @external bank: String }
  type Holder { tax: String @external }
  type Company @key(fields: "email") { email: String name: String }
  type Union @key(fields: "email") { email: String name: String }
`;
const ann = { email: 'ann@x.example', age: 30, card: { number: '4711', holder: { tax: 'T1', name: 'Ann' } } };
const company = { __typename: 'Company', email: 'c@x.example' };
const union = { __typename: 'Union', email: 'u@x.example' };
const respond = answerBy({
  people: {
    typeDefs: people,
    resolvers: {
      Query: { me: () => ann, them: () => [ann], party: () => union, found: () => [company, union] },
      Party: {},
    },
  },
  names: {
    typeDefs: names,
    resolvers: {
      Person: { name: () => 'Ann' },
      Card: { bank: () => 'B' },
      Company: { name: () => 'Co' },
      Union: { name: () => 'U' },
    },
  },
});

const run = (text: string, options: Partial<TestExecutorOptions> = {}) =>
  createTestExecutor({ subgraphs: { people, names }, respond, ...options }).execute(text);

/**
 * Removes `@authenticated` from the field `email` of the interface `Party`. Before version 2.12, `@apollo/composition`
 * did not copy the directives of object fields to interfaces.
 */
const change = (sdl: string) => sdl.replace(/(interface Party[^{]*\{\s*email: String)\s*@authenticated/, '$1');

describe('executor: a field that the client may not see', () => {
  // The client selects a field that it may not see, such as `email`. The plan fetches the same field as a part of an
  // entity's key, so the fetched data contains its value under the client's response key.
  it.each([
    ['a key', '{ me { email name } }', { me: { email: null, name: 'Ann' } }],
    ['a key in a list', '{ them { email name } }', { them: [{ email: null, name: 'Ann' }] }],
    [
      'a part of a key',
      '{ me { card { holder { tax name } bank } } }',
      { me: { card: { holder: { tax: null, name: 'Ann' }, bank: 'B' } } },
    ],
    [
      'a key in a fragment',
      '{ me { ...P name } } fragment P on Person { ... @include(if: true) { email } age }',
      { me: { email: null, age: 30, name: 'Ann' } },
    ],
  ])('is null, though the plan fetches it as %s', async (_as, text, data) => {
    const result = await run(text);
    expect(result.data).toEqual(data);
    expect(result.errors).toMatchObject([{ extensions: { code: 'UNAUTHORIZED_FIELD_OR_TYPE' } }]);
  });

  it('takes its parent with it, if it may not be null', async () => {
    const { data, errors } = await run('{ me { age card { number bank } } }');
    expect(data).toEqual({ me: null });
    expect(errors).toMatchObject([{ path: ['me', 'card', 'number'] }]);
  });

  it('hides no field of another type with its key', async () => {
    const text = '{ found { ... on Company { email name } ... on Union { email name } } }';
    const { data, errors } = await run(text, { change });
    expect(data).toEqual({
      found: [
        { email: 'c@x.example', name: 'Co' },
        { email: null, name: 'U' },
      ],
    });
    expect(errors).toMatchObject([{ path: ['found', '@', 'email'] }]);
  });

  it('is seen by a client that may', async () => {
    const { data, errors } = await run('{ me { email name } }', { grants: { authenticated: true } });
    expect(data).toEqual({ me: { email: 'ann@x.example', name: 'Ann' } });
    expect(errors).toBeUndefined();
  });
});
