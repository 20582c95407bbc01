import { describe, expect, it } from 'vitest';
import { anonymous } from '../testing/operations/operations.ts';
import { openTestPipeline } from '../testing/operations/pipeline.ts';
import { sha256 } from './persisted-queries.ts';

describe('operations: requests', () => {
  it.each([
    ['no query', {}, 'BAD_REQUEST'],
    ['an empty query', { query: '' }, 'BAD_REQUEST'],
    [
      'several operations and no name',
      { query: 'query A { me { id } } query B { me { id } }' },
      'OPERATION_RESOLUTION_FAILURE',
    ],
    ['another name', { query: 'query A { me { id } }', operationName: 'B' }, 'OPERATION_RESOLUTION_FAILURE'],
    ['only fragments', { query: 'fragment A on User { id }' }, 'OPERATION_RESOLUTION_FAILURE'],
    ['variables that are a list', { query: '{ me { id } }', variables: [] }, 'BAD_USER_INPUT'],
    ['a variable with U+0000', { query: '{ me { id } }', variables: { a: '\0' } }, 'BAD_USER_INPUT'],
    [
      'a variable with a lone surrogate',
      { query: '{ me { id } }', variables: { a: { b: ['\ud800'] } } },
      'BAD_USER_INPUT',
    ],
    // Subgraphs would get null instead of this number, because JSON has no infinity.
    [
      'a variable with an infinite number',
      { query: '{ me { id } }', variables: { a: { b: [Number.POSITIVE_INFINITY] } } },
      'BAD_USER_INPUT',
    ],
    [
      'a variable with the key constructor.prototype',
      { query: '{ me { id } }', variables: { a: [{ constructor: { prototype: 1 } }] } },
      'BAD_USER_INPUT',
    ],
    [
      'an unknown hash',
      { extensions: { persistedQuery: { version: 1, sha256Hash: sha256('x') } } },
      'PERSISTED_QUERY_NOT_FOUND',
    ],
    [
      'another hash than the query’s',
      { query: '{ me { id } }', extensions: { persistedQuery: { version: 1, sha256Hash: sha256('x') } } },
      'BAD_REQUEST',
    ],
    [
      'an invalid hash',
      { query: '{ me { id } }', extensions: { persistedQuery: { version: 1, sha256Hash: 'x' } } },
      'BAD_REQUEST',
    ],
    [
      'another version of persisted queries',
      { extensions: { persistedQuery: { version: 2 } } },
      'PERSISTED_QUERY_NOT_SUPPORTED',
    ],
  ])('with %s are refused', async (_what, request, code) => {
    await using pipeline = await openTestPipeline();
    await expect(pipeline.operations.prepare(request as never, anonymous)).rejects.toMatchObject({ code });
  });

  it('with a variable of the wrong type get an error and no data', async () => {
    await using pipeline = await openTestPipeline();
    const query = 'query($n: Int) { purchasedVouchers(first: $n) { nodes { id } } }';
    await expect(pipeline.run(query, { n: 'x' })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      message: 'The variable $n does not fit: Int cannot represent non-integer value: "x"',
      details: { argument: 'n' },
    });
    expect(pipeline.sent).toEqual([]);
  });

  it('with many unknown input fields are refused at the first, with a short message', async () => {
    await using pipeline = await openTestPipeline();
    const unknown = Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`x${index}`, 1]));
    const error = await pipeline
      .run('mutation($i: SignInInput!) { signIn(input: $i) { token } }', {
        i: { username: 'a', password: 'b'.repeat(100_000), ...unknown },
      })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'BAD_USER_INPUT', details: { argument: 'i' } });
    expect((error as Error).message.length).toBeLessThan(500);
    expect((error as Error).message).not.toContain('bbb');
  });

  it('store a persisted query only once it has passed validation', async () => {
    await using pipeline = await openTestPipeline({ answer: { me: { id: '1' } } });
    const { prepare } = pipeline.operations;
    const persisted = (query: string) => ({ persistedQuery: { version: 1, sha256Hash: sha256(query) } });
    await expect(prepare({ query: '{ nobody }', extensions: persisted('{ nobody }') }, anonymous)).rejects.toThrow();
    await expect(prepare({ extensions: persisted('{ nobody }') }, anonymous)).rejects.toMatchObject({
      code: 'PERSISTED_QUERY_NOT_FOUND',
    });
    await prepare({ query: '{ me { id } }', extensions: persisted('{ me { id } }') }, anonymous);
    const operation = await prepare({ extensions: persisted('{ me { id } }') }, anonymous);
    expect(await pipeline.operations.execute(operation, anonymous)).toEqual({ data: { me: { id: '1' } } });
  });
});
