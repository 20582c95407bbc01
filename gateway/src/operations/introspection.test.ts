import { describe, expect, it } from 'vitest';
import { openTestPipeline } from '../testing/operations/pipeline.ts';

describe('operations: introspection', () => {
  it.each([
    ['__schema', '{ __schema { types { name } } }'],
    ['an alias of __type', '{ a: __type(name: "User") { name } }'],
    ['a fragment', '{ ...F } fragment F on Query { __schema { types { name } } }'],
  ])('is refused if it is turned off: %s', async (_what, query) => {
    await using pipeline = await openTestPipeline({ introspection: false });
    expect(await pipeline.refusal(query)).toMatchObject({ code: 'GRAPHQL_VALIDATION_FAILED' });
    expect(await pipeline.run('{ __typename }')).toEqual({ data: { __typename: 'Query' } });
  });

  it('that the planner rejects is invalid, and not an internal error', async () => {
    await using pipeline = await openTestPipeline();
    expect(await pipeline.refusal('{ __type(name: "User") { isOneOf } }')).toMatchObject({
      errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }],
    });
  });

  it('is not replaced by suggestions', async () => {
    await using pipeline = await openTestPipeline({ introspection: false, suggestions: false });
    expect(JSON.stringify(await pipeline.refusal('{ mee { id } }'))).not.toContain('Did you mean');
    const error = await pipeline
      .run('mutation($i: SignInInput!) { signIn(input: $i) { token } }', {
        i: { usernam: 'x', password: 'y', username: 'z' },
      })
      .catch((thrown: unknown) => thrown);
    expect(String(error)).toContain('usernam');
    expect(String(error)).not.toContain('Did you mean');
  });
});
