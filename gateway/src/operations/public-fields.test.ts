import { buildSchema, type FragmentDefinitionNode, getOperationAST, Kind, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { isPublicOperation } from './public-fields.ts';

const schema = buildSchema(`
  directive @public on FIELD_DEFINITION
  type Query { open: String @public closed: String }
  type Mutation { signUp: Account! @public signIn: Account! @public signOut: Boolean! }
  type Account { id: ID! }
`);

function isPublic(query: string): boolean {
  const document = parse(query);
  const fragments: Record<string, FragmentDefinitionNode> = {};
  for (const node of document.definitions)
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments[node.name.value] = node;
  const operation = getOperationAST(document);
  if (!operation) throw new Error('no operation');
  return isPublicOperation(schema, operation, fragments);
}

describe('public fields', () => {
  it.each([
    ['one', 'mutation { signIn { id } }'],
    ['two', 'mutation { signUp { id } signIn { id } }'],
    ['an alias', 'mutation { signOut: signIn { id } }'],
    ['__typename beside one', 'mutation { __typename signIn { id } }'],
    ['a query', '{ open }'],
    ['an inline fragment', 'mutation { ... { ... on Mutation { signIn { id } } } }'],
    ['a fragment', 'mutation { ...F } fragment F on Mutation { ...G } fragment G on Mutation { signIn { id } }'],
  ])('an operation with %s is public', (_what, query) => expect(isPublic(query)).toBe(true));

  it.each([
    ['another field', 'mutation { signOut }'],
    ['another field beside one', 'mutation { signIn { id } signOut }'],
    ['another field under the alias of one', 'mutation { signIn: signOut }'],
    ['another field that is skipped', 'mutation { signIn { id } signOut @skip(if: true) }'],
    ['another field in a fragment', 'mutation { signIn { id } ...F } fragment F on Mutation { ... { signOut } }'],
    ['a query of the schema', '{ open __schema { queryType { name } } }'],
    ['__typename alone', '{ __typename }'],
  ])('an operation with %s is not public', (_what, query) => expect(isPublic(query)).toBe(false));

  it('fragments that spread each other 60 deep are visited once', () => {
    const fragments = Array.from({ length: 60 }, (_, n) => `fragment F${n} on Mutation { ...F${n + 1} ...F${n + 1} }`);
    const query = `mutation { ...F0 } ${fragments.join(' ')} fragment F60 on Mutation { signIn { id } }`;
    expect(isPublic(query)).toBe(true);
  });
});
