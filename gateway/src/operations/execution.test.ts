import { silentLog } from '@voucher-gateway/platform/process/log';
import { describe, expect, it } from 'vitest';
import { createResultFormatter } from '../format-result.ts';
import { openTestPipeline } from '../testing/operations/pipeline.ts';

describe('operations: conditions', () => {
  const text = 'query($a: Boolean = true, $b: Boolean!) { me { id @skip(if: $b) username @include(if: $a) } }';

  it('fetch and return only the fields that they include', async () => {
    await using pipeline = await openTestPipeline({ answer: { me: { id: '1', username: 'ann' } } });
    expect(await pipeline.run(text, { b: true })).toEqual({ data: { me: { username: 'ann' } } });
    expect(await pipeline.run(text, { a: false, b: false })).toEqual({ data: { me: { id: '1' } } });
    expect(await pipeline.run(text, { a: false, b: true })).toEqual({ data: { me: {} } });
    expect(pipeline.sent).toEqual(['{me{username}}', '{me{id}}', '{me{__typename}}']);
  });

  // Regression: the variable of a condition was null, which its nullable type allows. The field was left out without an
  // error.
  it('that are null are an error, and nothing is executed', async () => {
    await using pipeline = await openTestPipeline();
    for (const variables of [
      { a: null, b: true },
      { a: true, b: null },
    ])
      expect(await pipeline.refusal(text, variables)).toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(pipeline.sent).toEqual([]);
  });

  it('that exclude everything return nothing, without a fetch', async () => {
    await using pipeline = await openTestPipeline();
    const query = 'query($a: Boolean!) { me @include(if: $a) { id } }';
    expect(await pipeline.run(query, { a: false })).toEqual({ data: {} });
    expect(pipeline.sent).toEqual([]);
  });
});

describe('operations: in a subgraph’s response', () => {
  it('an error without a code is masked, and debugging extensions are dropped', async () => {
    const message = 'relation "users" does not exist at /srv/app/db.js:10 (10.0.0.5:5432)';
    await using pipeline = await openTestPipeline({
      errors: [
        { message },
        { message, extensions: { code: 'INTERNAL_SERVER_ERROR' } },
        { message: 'Not now.', extensions: { code: 'CLOSED', exception: { stacktrace: [message] }, until: 'noon' } },
      ],
    });
    const { errors } = createResultFormatter(silentLog).formatResult(await pipeline.run('{ me { id } }'));
    expect(JSON.stringify(errors)).not.toMatch(/relation|srv|10\.0\.0\.5/);
    expect(errors?.[2]).toMatchObject({ message: 'Not now.', extensions: { code: 'CLOSED', until: 'noon' } });
  });

  it('a value of the wrong type is an error at its path', async () => {
    await using pipeline = await openTestPipeline({ answer: { me: { id: '1', username: { first: 'ann' } } } });
    expect(await pipeline.run('{ me { id username } }')).toMatchObject({
      data: { me: null },
      errors: [{ path: ['me', 'username'], extensions: { code: 'SUBGRAPH_INVALID_RESPONSE' } }],
    });
  });
});
