import { parse } from 'graphql';
import { expect, it } from 'vitest';
import { assertNesting, assertOperationText } from './graphql-text.ts';

const argumentOf = (query: string, variables?: Record<string, unknown>) => {
  try {
    assertOperationText({ query, document: parse(query), variables });
  } catch (error) {
    return (error as { details: { argument?: string } }).details.argument;
  }
  return null;
};

const find = 'query ($in: Input, $c: String) { find(input: $in, filter: {code: $c}) }';
it.each([
  ['a valid operation', find, { in: { code: 'ok 🎟️' } }, null],
  ['a variable that is the argument', find, { in: { code: 'a\0' } }, 'input.code'],
  ['a variable within an argument', find, { c: '\ud800' }, 'filter.code'],
  ['a variable of a list', find, { in: { codes: ['a', '\0'] } }, 'input.codes.1'],
  ['a variable that nothing uses', '{ find }', { other: { deep: '\0' } }, 'other.deep'],
  ['an escaped literal', '{ find(filter: {code: "\\u0000"}) }', {}, 'filter.code'],
  ['a literal escaped with braces', '{ find(filter: {code: "\\u{0}"}) }', {}, 'filter.code'],
  ['an unescaped literal', '{ find(filter: {codes: ["a", "b\0"]}) }', {}, 'filter.codes'],
  ['a block string', '{ find(code: """a\0""") }', {}, 'code'],
  ['a literal in a directive', '{ find @include(if: "\\u0000") }', {}, 'if'],
  ['a default value', 'query ($c: String = "\\u0000") { find(code: $c) }', {}, 'c'],
  ['a valid escape', '{ find(code: "\\u0041") }', {}, null],
])('graphql text: names the argument of %s', (_what, query, variables, argument) => {
  expect(argumentOf(query, variables)).toBe(argument);
});

it('graphql text: checks every literal without the source', () => {
  const document = parse('{ find(code: "\\u0000") }');
  expect(() => assertOperationText({ document })).toThrow('NUL');
});

it('graphql text: reads a deep literal without recursion', () => {
  const depth = 500;
  const query = `{ find(codes: ${'['.repeat(depth)}"\\u0000"${']'.repeat(depth)}) }`;
  expect(argumentOf(query)).toBe('codes');
});

it.each([
  ['selections', '{a'.repeat(500) + '}'.repeat(500)],
  ['lists', `{a(b: ${'['.repeat(500)}${']'.repeat(500)})}`],
  ['selections that never close', '{a'.repeat(20_000)],
])('graphql text: rejects %s too deep for the stack', (_what, text) => {
  // Regression: 4,000 nested selections passed the parser, but exceeded the validator's stack, with status 500.
  expect(() => assertNesting(text)).toThrow(expect.objectContaining({ code: 'OPERATION_TOO_COMPLEX' }));
});

it.each([
  ['many siblings', `{${'a{b}'.repeat(5_000)}}`],
  ['brackets in a string', `{a(b: "${'{'.repeat(5_000)}")}`],
  ['text that is not GraphQL', `${'['.repeat(300)} ? ${'['.repeat(300)}`],
])('graphql text: does not count %s as nested', (_what, text) => {
  expect(() => assertNesting(text)).not.toThrow();
});
