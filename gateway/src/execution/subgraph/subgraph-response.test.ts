import fc from 'fast-check';
import { parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { readSubgraphResponse, rootResponseKeys } from './subgraph-response.ts';

describe('subgraph response', () => {
  it.each([
    ['only data', '{"data":{"a":1}}', { data: { a: 1 } }],
    ['errors that are null', '{"data":{"a":1},"errors":null}', { data: { a: 1 } }],
    ['errors that are empty', '{"data":null,"errors":[]}', { data: null }],
    ['only errors', '{"errors":[{"message":"no"}]}', { errors: [{ message: 'no' }] }],
    [
      'an error with invalid parts',
      '{"errors":[{"message":7,"path":"x","extensions":[],"locations":[{"line":1,"column":1}]}]}',
      { errors: [{}] },
    ],
    [
      'an error without the extension that would set our HTTP status',
      '{"errors":[{"message":"no","extensions":{"code":"CLOSED","http":{"status":100,"headers":{}},"until":"noon"}}]}',
      { errors: [{ message: 'no', extensions: { code: 'CLOSED', until: 'noon' } }] },
    ],
    [
      'an error without extensions that are nested too deeply',
      `{"errors":[{"extensions":{"code":"CLOSED","deep":${'['.repeat(100_000)}${']'.repeat(100_000)}}}]}`,
      { errors: [{ extensions: { code: 'CLOSED' } }] },
    ],
    [
      'an error without a code that is not a string',
      '{"errors":[{"extensions":{"code":7}}]}',
      { errors: [{ extensions: {} }] },
    ],
    ['neither data nor errors', '{"errors":[]}', null],
    ['data that is not an object', '{"data":[1]}', null],
    ['an error that is not an object', '{"data":{},"errors":[null]}', null],
    ['errors that are not a list', '{"data":{},"errors":"no"}', null],
    ['a list', '[]', null],
    ['invalid JSON', '<html>', null],
    ['nothing', '', null],
  ])('reads %s', (_what, text, expected) => {
    expect(readSubgraphResponse(text)).toEqual(expected);
  });

  it('is valid for the executor or null, for any input', () => {
    const part = fc.jsonValue();
    const nearly = fc.record({
      data: part,
      errors: fc.oneof(part, fc.array(fc.record({ message: part, path: part }))),
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          // The text that a server sends if it does not serialise its errors as JSON.
          fc.jsonValue().map((value) => `${typeof value === 'object' ? '[object Object]' : value}`),
          nearly.map((json) => JSON.stringify(json)),
        ),
        (text) => {
          const response = readSubgraphResponse(text);
          if (response === null) return;
          expect(response.data !== undefined || (response.errors ?? []).length > 0).toBe(true);
          expect(typeof (response.data ?? {})).toBe('object');
          for (const { message = '', path = [], extensions = {} } of response.errors ?? []) {
            expect(typeof message).toBe('string');
            expect(path.every((step) => ['string', 'number'].includes(typeof step))).toBe(true);
            expect(typeof extensions).toBe('object');
          }
        },
      ),
    );
  });
});

describe('root response keys', () => {
  it('respect the operation, fragments and directives', () => {
    const document = parse(`
      query ($yes: Boolean!, $no: Boolean!) {
        a b: a
        ... on Query { c @include(if: $yes) d @include(if: $no) }
        ...More @skip(if: $no)
        ...Skipped @skip(if: $yes)
      }
      fragment More on Query { e { f } a }
      fragment Skipped on Query { g }
    `);
    expect(rootResponseKeys(document, { yes: true, no: false })).toEqual(['a', 'b', 'c', 'e']);
  });
});
