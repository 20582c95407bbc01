import { buildSchema } from 'graphql';
import { describe, expect, it } from 'vitest';
import { compileRepresentation } from './representation.ts';
import { applyRewrites, rewritePath } from './rewrites.ts';

const schema = buildSchema(`
  type Query { media: Media }
  interface Media { id: ID! }
  type Book implements Media { id: ID! title: String size: Int }
  type Film implements Media { id: ID! title: String! }
`);

describe('rewrites', () => {
  // When Apollo's executor renames a key, it drops values that are empty, zero or false.
  it.each(['a', '', 0, false, null])('rename a key whose value is %j', (value) => {
    const data = { media: [{ __typename: 'Book', title__alias_0: value }] };
    applyRewrites(
      schema,
      [{ kind: 'KeyRenamer', path: ['media', '... on Book', 'title__alias_0'], renameKeyTo: 'title' }],
      data,
    );
    expect(data.media).toEqual([{ __typename: 'Book', title: value }]);
  });

  it('are for objects of their type, or of an unknown one', () => {
    const data = [{ __typename: 'Film', a: 1 }, { __typename: 'Book', a: 1 }, { a: 1 }];
    applyRewrites(schema, [{ kind: 'KeyRenamer', path: ['... on Book', 'a'], renameKeyTo: 'b' }], data);
    expect(data).toEqual([{ __typename: 'Film', a: 1 }, { __typename: 'Book', b: 1 }, { b: 1 }]);
  });
});

describe('rewrites: the path of an error', () => {
  const rewrites = [
    { kind: 'KeyRenamer' as const, path: ['medias', '... on Book', 'title__alias_0'], renameKeyTo: 'title' },
    { kind: 'ValueSetter' as const, path: ['medias', '__typename'], setValueTo: 'Book' },
  ];

  it.each([
    [
      ['medias', 3, 'title__alias_0'],
      ['medias', 3, 'title'],
    ],
    [
      ['medias', 0, 1, 'title__alias_0', 'x'],
      ['medias', 0, 1, 'title', 'x'],
    ],
    [
      ['other', 'title__alias_0'],
      ['other', 'title__alias_0'],
    ],
    [['medias'], ['medias']],
    [[], []],
  ])('%j is %j for the client', (path, expected) => {
    expect(rewritePath(rewrites, path)).toEqual(expected);
  });
});

describe('representation', () => {
  const field = (name: string) => ({ kind: 'Field' as const, name });
  const on = (typeCondition: string, ...selections: ReturnType<typeof field>[]) => ({
    kind: 'InlineFragment' as const,
    typeCondition,
    selections,
  });
  const book = { __typename: 'Book', id: '1', title: 'a "b"', size: null };

  it('has the fields of the fragment of its type', () => {
    const represent = compileRepresentation(
      schema,
      [on('Book', field('__typename'), field('id'), field('title'))],
      undefined,
    );
    expect(represent(book)).toBe('{"__typename":"Book","id":"1","title":"a \\"b\\""}');
    expect(represent({ ...book, __typename: 'Film' })).toBeNull();
    expect(represent({ __typename: 'Book', id: '1' })).toBeNull();
    expect(represent({ id: '1' })).toBeNull();
  });

  it('has the fields of all fragments that match and are complete', () => {
    const requires = [
      on('Media', field('__typename'), field('id')),
      on('Book', field('__typename'), field('size')),
      on('Book', field('other')),
    ];
    expect(JSON.parse(compileRepresentation(schema, requires, undefined)(book) ?? '')).toEqual({
      __typename: 'Book',
      id: '1',
      size: null,
    });
  });

  it('has the name of the interface for an interface object', () => {
    const rewrites = [{ kind: 'ValueSetter' as const, path: ['... on Book', '__typename'], setValueTo: 'Media' }];
    const represent = compileRepresentation(schema, [on('Book', field('__typename'), field('id'))], rewrites);
    expect(represent(book)).toBe('{"__typename":"Media","id":"1"}');
  });
});
