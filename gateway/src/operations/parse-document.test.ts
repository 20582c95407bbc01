import { isCodedError } from '@voucher-gateway/platform/errors';
import { silentLog } from '@voucher-gateway/platform/process/log';
import fc from 'fast-check';
import { type FieldNode, GraphQLError, Kind, parse, visit } from 'graphql';
import { describe, expect, it } from 'vitest';
import { createLimitGuard, type OperationLimits } from '../request/limits.ts';
import { parseDocument } from './parse-document.ts';

const limits = { MAX_TOKENS: 5_000 } as OperationLimits;
const guard = createLimitGuard(limits, { mode: 'enforce', log: silentLog });
const measuring = createLimitGuard(limits, { mode: 'measure', log: silentLog });

describe('parse: documents', () => {
  it('are parsed without locations, and their tokens counted', () => {
    const { document, tokens } = parseDocument('{ me { id } }', guard);
    expect(tokens).toBe(6);
    expect(document.kind).toBe(Kind.DOCUMENT);
    expect(document.loc).toBeUndefined();
    expect(document.definitions[0]?.loc).toBeUndefined();
  });

  it('share a syntax node among equal leaves, and are equal to what graphql-js parses', () => {
    const text =
      'query { a { id id x: id id(b: 1) id @skip(if: true) id { id } ...F } } fragment F on A { id ... { id } }';
    const { document } = parseDocument(text, guard);
    expect(document).toEqual(parse(text, { noLocation: true }));
    const leaves: FieldNode[] = [];
    visit(document, { Field: (node) => void (node.name.value === 'id' && leaves.push(node)) });
    // Five fields `id` are plain, and share one node. The other four have an alias, an argument, a directive or a
    // selection.
    expect([leaves.length, new Set(leaves).size]).toEqual([9, 5]);
  });

  it('with a syntax error are GRAPHQL_PARSE_FAILED at its location', () => {
    const parseWrong = () => parseDocument('{ me {\n  ]', guard);
    expect(parseWrong).toThrow(GraphQLError);
    expect(parseWrong).toThrow(
      expect.objectContaining({ locations: [{ line: 2, column: 3 }], extensions: { code: 'GRAPHQL_PARSE_FAILED' } }),
    );
  });
});

describe('parse: limits', () => {
  it.each([
    ['tokens', `{ ${'a '.repeat(6_000)} }`, 'MAX_TOKENS'],
    ['nested selections', '{a'.repeat(250) + '}'.repeat(250), 'nesting'],
    ['2,500 nested fragments', '{...'.repeat(2_500) + '}'.repeat(2_500), 'nesting'],
    ['20,000 nested lists', `{ a(b: ${'['.repeat(20_000)}${']'.repeat(20_000)}) }`, 'nesting'],
    ['nested types of a variable', `query($a: ${'['.repeat(2_000)}Int${']'.repeat(2_000)}) { a }`, 'nesting'],
    ['nested objects', `{ a(b: ${'{c:'.repeat(2_000)}1${'}'.repeat(2_000)}) }`, 'nesting'],
  ])('refuse too many %s, and name the limit', (_what, text, limit) => {
    const parse = () => parseDocument(text, guard);
    expect(parse).toThrow(
      expect.objectContaining({ code: 'OPERATION_TOO_COMPLEX', details: expect.objectContaining({ limit }) }),
    );
  });

  it('allow many tokens in measure mode, but no nesting that exceeds the stack', () => {
    expect(parseDocument(`{ ${'a '.repeat(6_000)} }`, measuring).tokens).toBe(6_002);
    expect(() => parseDocument('{a'.repeat(20_000), measuring)).toThrow(
      expect.objectContaining({ code: 'OPERATION_TOO_COMPLEX' }),
    );
  });

  it('refuse U+0000 in a string, in any escape', () => {
    for (const text of ['{ a(b: "\\u0000") }', '{ a(b: "x\\u{0}") }'])
      expect(() => parseDocument(text, guard)).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT' }));
  });
});

describe('parse', () => {
  // Regression: the planner failed for infinite numbers, and the client got INTERNAL_SERVER_ERROR.
  it.each(['1e999', '-1e999', '9'.repeat(400)])('refuse the number %s, which is infinite', (number) => {
    expect(() => parseDocument(`{ a(b: ${number}) }`, guard)).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', message: 'A number on line 1 is too large.' }),
    );
    expect(parseDocument('{ a(b: 1e300, c: 12345678901234567890) }', guard).tokens).toBeGreaterThan(0);
  });

  it('throws only coded errors, for any text', () => {
    const piece = fc.constantFrom(
      ...[
        '{',
        '}',
        '[',
        ']',
        '(',
        ')',
        '...',
        '@',
        '$',
        ':',
        '!',
        '=',
        '|',
        '&',
        '#',
        '"',
        '"""',
        '\\',
        '\\u{',
        '\0',
        '\ud800',
      ],
      ...[
        'query',
        'mutation',
        'subscription',
        'fragment',
        'on',
        'a',
        '1',
        '-',
        '0x',
        '1e999',
        'null',
        'true',
        '\ufeff',
        '漢',
      ],
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece, { maxLength: 400 }).map((pieces) => pieces.join(' ')),
      fc.array(piece, { maxLength: 400 }).map((pieces) => pieces.join('')),
    );
    fc.assert(
      fc.property(text, (input) => {
        try {
          parseDocument(input, guard);
        } catch (error) {
          if (isCodedError(error)) expect(['OPERATION_TOO_COMPLEX', 'BAD_USER_INPUT']).toContain(error.code);
          else expect(error).toMatchObject({ extensions: { code: 'GRAPHQL_PARSE_FAILED' } });
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
