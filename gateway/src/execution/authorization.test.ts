import { describe, expect, it } from 'vitest';
import { answerBy } from '../testing/operations/answer-by.ts';
import { createTestExecutor, type TestExecutorOptions } from '../testing/operations/executor.ts';

const shop = `
  type Query { me: User post(id: ID): Post posts: [Post!] search: [Found] node: Node secretNode: Secret pay: Receipt vault: Vault! }
  type Mutation { like: Int pay: Receipt @authenticated }
  type User @key(fields: "id") @authenticated { id: ID! name: String email: String @requiresScopes(scopes: [["mail"], ["read", "admin"]]) }
  type Post @key(fields: "id") { id: ID! title: String views: Int @authenticated author: User weight: Int @authenticated draft: String @policy(policies: [["owner"]]) }
  union Found = Post | User
  interface Node { id: ID! note: String }
  type Open implements Node { id: ID! note: String }
  type Secret implements Node @authenticated { id: ID! note: String }
  type Receipt { total: Int! money: Money }
  scalar Money @requiresScopes(scopes: [["money"]])
  type Vault { gold: Int! @authenticated silver: Int! }
`;
const stats = `
  type Post @key(fields: "id") { id: ID! weight: Int @external shipping: Int @requires(fields: "weight") @authenticated likes: Int }
`;
const subgraphs = { shop, stats };
const user = { id: 'u', name: 'Ann', email: 'ann@example.com' };
const post = { id: '1', title: 'Hello', views: 9, author: user, weight: 3, draft: 'soon' };
const respond = answerBy({
  shop: {
    typeDefs: shop,
    resolvers: {
      Query: {
        me: () => user,
        post: () => post,
        posts: () => [post, post],
        search: () => [
          { __typename: 'Post', ...post },
          { __typename: 'User', ...user },
        ],
        node: () => ({ __typename: 'Secret', id: 's', note: 'hidden' }),
        secretNode: () => ({ id: 's', note: 'hidden' }),
        pay: () => ({ total: 5, money: 'EUR 5' }),
        vault: () => ({ gold: 1, silver: 2 }),
      },
      Mutation: { like: () => 1, pay: () => ({ total: 5 }) },
    },
  },
  stats: {
    typeDefs: stats,
    resolvers: { Post: { shipping: ({ weight }: { weight: number }) => weight * 2, likes: () => 4 } },
  },
});
const run = async (text: string, options: Partial<TestExecutorOptions> = {}) => {
  const executor = createTestExecutor({ subgraphs, respond, ...options });
  const { data, errors = [] } = await executor.execute(text);
  const sent = executor.sent.map(({ query }) => query).join(' ');
  return {
    data,
    paths: errors.map(({ path }) => path?.join('.')),
    codes: new Set(errors.map(({ extensions }) => extensions.code)),
    sent,
  };
};
const signedIn = { grants: { authenticated: true } };

describe('authorization: an unauthorised field', () => {
  it('is null, has an error at its path, and is not fetched', async () => {
    const { data, paths, codes, sent } = await run('{ post { title views } me { name } }');
    expect(data).toEqual({ post: { title: 'Hello', views: null }, me: null });
    expect(paths).toEqual(['post.views', 'me']);
    expect([...codes]).toEqual(['UNAUTHORIZED_FIELD_OR_TYPE']);
    expect(sent).toBe('{post{title}}');
  });

  it('has one error for all entries of a list', async () => {
    const { data, paths } = await run('{ posts { title views } }');
    expect(data).toEqual({
      posts: [
        { title: 'Hello', views: null },
        { title: 'Hello', views: null },
      ],
    });
    expect(paths).toEqual(['posts.@.views']);
  });

  it('that may not be null takes its parent with it, and has no other error', async () => {
    const { data, paths } = await run('{ post { title } vault { gold silver } }');
    expect(data).toBeNull();
    expect(paths).toEqual(['vault.gold']);
  });

  it('takes along a parent that has nothing else, and its request', async () => {
    const { data, paths, sent } = await run('{ post { views } }');
    expect(data).toEqual({ post: null });
    expect(paths).toEqual(['post.views']);
    expect(sent).toBe('');
  });

  it('of a mutation is not executed, and the others are', async () => {
    const { data, paths, sent } = await run('mutation { like pay { total } }');
    expect(data).toEqual({ like: 1, pay: null });
    expect(paths).toEqual(['pay']);
    expect(sent).toBe('mutation{like}');
  });

  it('is fetched for a client that may see it', async () => {
    const { data, paths } = await run('{ post { views shipping } me { name } }', signedIn);
    expect(data).toEqual({ post: { views: 9, shipping: 6 }, me: { name: 'Ann' } });
    expect(paths).toEqual([]);
  });
});

describe('authorization: scopes and policies', () => {
  it.each([
    [['mail'], true],
    [['read', 'admin'], true],
    [['read'], false],
    [[], false],
  ])('scopes %j see the field: %s', async (scopes, isSeen) => {
    const { data } = await run('{ me { name email } }', { grants: { authenticated: true, scopes } });
    expect(data).toEqual({ me: { name: 'Ann', email: isSeen ? 'ann@example.com' : null } });
  });

  it('scopes do not replace the token that the type needs', async () => {
    expect((await run('{ me { email } }', { grants: { scopes: ['mail'] } })).data).toEqual({ me: null });
  });

  it.each([
    [['owner'], 'soon'],
    [[], null],
  ])('policies %j give the field %j', async (policies, draft) => {
    expect((await run('{ post { id draft } }', { grants: { policies } })).data).toEqual({ post: { id: '1', draft } });
  });

  it('of a scalar hold for each field with it', async () => {
    expect((await run('{ pay { total money } }')).paths).toEqual(['pay.money']);
    expect((await run('{ pay { money } }', { grants: { scopes: ['money'] } })).data).toEqual({
      pay: { money: 'EUR 5' },
    });
  });
});

/**
 * Removes `@authenticated` from the interface `Node`. Before version 2.12, `@apollo/composition` did not copy the
 * directives of object types to interfaces.
 */
const withoutOnInterface = (sdl: string) => sdl.replace(/(interface Node[^{]*?)\s*@authenticated/, '$1');

/** Each of these queries got a protected field from an earlier version of this gateway or of another gateway. */
describe('authorization: there is no way around by', () => {
  it.each([
    ['an alias', '{ post { id: views } }', ['post.id']],
    ['a fragment', '{ post { ...A } } fragment A on Post { ...B title } fragment B on Post { views }', ['post.views']],
    [
      'a fragment in two places',
      '{ a: post { ...A } b: post { ...A } } fragment A on Post { views title }',
      ['a.views', 'b.views'],
    ],
    ['a union', '{ search { ... on Post { title } ... on User { id name } } }', ['search.@.id', 'search.@.name']],
    ['the name of a type', '{ search { ... on Post { title } ... on User { __typename } } }', ['search.@.__typename']],
    ['an interface', '{ node { note } post { title } }', ['node.note']],
    ['an implementation', '{ node { ... on Open { note } ... on Secret { note } } }', ['node.note']],
    ['a field that returns the type', '{ secretNode { id } post { title } }', ['secretNode']],
    ['a condition', '{ post { title ... @include(if: true) { views } } }', ['post.views']],
  ])('%s', async (_way, text, expected) => {
    const { paths, sent } = await run(text, { change: withoutOnInterface });
    expect(paths).toEqual(expected);
    expect(sent).not.toMatch(/views|\bname\b|Secret/);
  });

  // Before 2.12, composition allowed an unprotected field to require a protected one, and did not copy directives to
  // interfaces.
  it('a requirement, also of an earlier composition', async () => {
    const change = (sdl: string) => sdl.replace(/(shipping: Int @join__field\([^)]*\)) @authenticated/, '$1');
    const { data, paths, sent } = await run('{ post { title shipping } }', { change });
    expect(data).toEqual({ post: { title: 'Hello', shipping: null } });
    expect(paths).toEqual(['post.shipping']);
    expect(sent).not.toContain('weight');
  });

  it.each([
    ['the object', '{ secretNode { id score } post { id } }', ['secretNode.score']],
    ['a fragment', '{ nodes { id ... on Secret { score } } post { id } }', ['nodes.@.score']],
    ['the interface', '{ nodes { id score } post { id } }', ['nodes.@.score']],
  ])('a requirement of an interface object, by %s', async (_by, text, expected) => {
    const typeDefs = {
      shop: `
        type Query { secretNode: Secret nodes: [Node] post: Post }
        interface Node @key(fields: "id") { id: ID! secret: Int }
        type Secret implements Node @key(fields: "id") { id: ID! secret: Int @authenticated }
        type Post { id: ID! }`,
      stats: `type Node @key(fields: "id") @interfaceObject {
        id: ID! secret: Int @external score: Int @requires(fields: "secret") @authenticated }`,
    };
    const change = (sdl: string) => sdl.replace('score: Int @authenticated @join__field', 'score: Int @join__field');
    const answer = () => ({ data: { secretNode: { id: 's' }, nodes: [{ __typename: 'Secret', id: 's' }] } });
    const { paths, sent } = await run(text, { subgraphs: typeDefs, respond: answer, change });
    expect(paths).toEqual(expected);
    expect(sent).not.toMatch(/score|secret\b/);
  });

  it('an interface as it is composed now', async () => {
    expect((await run('{ node { ... on Open { id } } post { id } }')).paths).toEqual(['node']);
  });

  it('an object type whose interface has the directive', async () => {
    const change = (sdl: string) =>
      withoutOnInterface(sdl)
        .replace(/(type Secret[^{]*?)\s*@authenticated/, '$1')
        .replace(/(interface Node[^{]*\{\s*id: ID!\s*note: String)/, '$1 @authenticated');
    const { paths, sent } = await run('{ node { id ... on Secret { note } } }', { change });
    expect(paths).toEqual(['node.note']);
    expect(sent).not.toContain('note');
  });

  it('another name of the directive', async () => {
    const change = (sdl: string) =>
      sdl
        .replaceAll('@authenticated', '@login')
        .replace('specs.apollo.dev/authenticated/v0.1"', 'specs.apollo.dev/authenticated/v0.1", as: "login"');
    expect((await run('{ post { title views } }', { change })).paths).toEqual(['post.views']);
  });
});
