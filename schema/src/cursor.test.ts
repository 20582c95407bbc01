import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.ts';

it('cursor: decodes what was encoded, for every id that a message may have', () => {
  // A cursor of 256 base64url characters encodes 192 bytes. Three of them are the prefix.
  const id = fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 189,
  });
  fc.assert(
    fc.property(id, (text) => {
      expect(decodeCursor(encodeCursor(text))).toEqual({ id: text });
    }),
  );
  expect(decodeCursor(encodeCursor(null))).toEqual({ id: null });
});

it('cursor: rejects any other text', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.base64String(),
    fc.string().map((bytes) => Buffer.from(bytes).toString('base64url')),
    fc.string({ unit: 'binary' }).map(encodeCursor),
    fc.tuple(fc.string(), fc.constantFrom('=', ' ', '\n', '\0')).map(([id, tail]) => encodeCursor(id) + tail),
  );
  fc.assert(
    fc.property(text, (cursor) => {
      const decoded = decodeCursor(cursor);
      if (decoded === null) return;
      expect(encodeCursor(decoded.id)).toBe(cursor);
      expect(decoded.id ?? '!').toMatch(/^[!-~]+$/);
    }),
    { numRuns: 2_000 },
  );
});

it.each([
  ['nothing', ''],
  ['another version', Buffer.from('v2:x').toString('base64url')],
  ['an id with a blank', encodeCursor('a b')],
  ['an id with NUL', encodeCursor('a\0')],
  ['an id of letters outside ASCII', encodeCursor('ă')],
  ['non-canonical base64url bits', 'djE6YR'],
  ['a megabyte', encodeCursor('x'.repeat(1_000_000))],
])('cursor: rejects %s', (_what, cursor) => {
  expect(decodeCursor(cursor)).toBe(null);
});
