import fc from 'fast-check';
import { expect, it } from 'vitest';
import { assertValidText, findInvalidText } from './text.ts';

it.each([
  ['a text', 'plain ✓ 🎟️', null],
  ['NUL', 'a\0b', []],
  ['a lone high surrogate', '\ud83c', []],
  ['a lone low surrogate', 'a\udf9f', []],
  ['surrogates in the wrong order', '\udf9f\ud83c', []],
  ['a nested text', { input: { codes: ['a', { code: '\0' }] } }, ['input', 'codes', '1', 'code']],
  ['a key', { input: { 'a\0': 1 } }, ['input']],
  ['a key at the top', { '\ud800': 1 }, []],
  ['no strings', [null, 1, true, {}, [], undefined], null],
  ['a key named __proto__', JSON.parse('{"__proto__": {"a": "\\u0000"}}'), ['__proto__', 'a']],
])('text: finds invalid text in %s', (_what, value, path) => {
  expect(findInvalidText(value)).toEqual(path);
});

it('text: finds NUL under a hundred thousand brackets', () => {
  const depth = 100_000;
  const value = JSON.parse(`${'['.repeat(depth)}"\\u0000"${']'.repeat(depth)}`);
  expect(findInvalidText(value)).toHaveLength(depth);
});

it('text: accepts exactly the JSON that UTF-8 and a database can store', () => {
  const units = fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit));
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: units, maxLength: 4 }), fc.constant('\0'));
  const isGood = (value: string) => Buffer.from(value).toString() === value && !value.includes('\0');
  fc.assert(
    fc.property(
      fc.letrec((tie) => ({
        value: fc.oneof(
          text,
          fc.integer(),
          fc.constant(null),
          fc.array(tie('value'), { maxLength: 3 }),
          fc.dictionary(text, tie('value'), { maxKeys: 3 }),
        ),
      })).value,
      (value) => {
        const texts: string[] = [];
        JSON.stringify(value, (key, part) => {
          texts.push(key, ...(typeof part === 'string' ? [part] : []));
          return part;
        });
        expect(findInvalidText(value) === null).toBe(texts.every(isGood));
      },
    ),
    { numRuns: 300 },
  );
});

it('text: rejects with the path as `argument`, or without one for the value itself', () => {
  const refusal = (value: unknown) => {
    try {
      assertValidText(value);
    } catch (error) {
      return error;
    }
    return null;
  };
  expect(refusal({ input: { code: '\0' } })).toMatchObject({
    code: 'BAD_USER_INPUT',
    details: { argument: 'input.code' },
  });
  expect(refusal('\0')).toMatchObject({ code: 'BAD_USER_INPUT', details: {} });
  expect(refusal({ input: { code: 'good' } })).toBeNull();
});
