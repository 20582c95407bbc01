import { expect, it } from 'vitest';
import { fitDeadLetter } from './dead-letter.ts';

const raw = { key: 'k', value: '{}', headers: { a: 'b' }, partition: 0, position: 1, publishedAt: 0 };
const about = { 'dead-letter-error': 'TOPIC_VALUE_INVALID' };
/** Returns roughly the size that a broker counts for a message. */
const sizeOf = ({ key, value, headers }: ReturnType<typeof fitDeadLetter>) =>
  Buffer.byteLength(key) + Buffer.byteLength(value) + Buffer.byteLength(JSON.stringify(headers));

it('dead-letter: stores a message unchanged', () => {
  expect(fitDeadLetter(raw, about)).toEqual({ key: 'k', value: '{}', headers: { a: 'b', ...about } });
});

// Regression: a message that was too large for the dead-letter topic blocked its partition, because it was retried
// forever.
it.each([
  ['a value of 1 MB', { value: 'x'.repeat(1_048_000) }],
  ['bytes that are not UTF-8', { value: Buffer.alloc(900_000, 0xff).toString() }],
  ['characters of four bytes', { value: '💥'.repeat(250_001) }],
  ['a key of 1 MB', { key: '漢'.repeat(349_000) }],
  ['headers of 1 MB', { headers: { ...raw.headers, large: 'x'.repeat(1_000_000) } }],
  [
    '1,000 headers of 1 kB',
    { headers: Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`h${i}`, 'x'.repeat(990)])) },
  ],
])('dead-letter: %s is cut to fit a broker’s limit', (_what, fields) => {
  const buried = fitDeadLetter({ ...raw, ...fields }, about);
  expect(sizeOf(buried)).toBeLessThan(1_000_000);
  expect(buried.headers).toMatchObject(about);
  expect(buried.value.isWellFormed()).toBe(true);
  if ('value' in fields) expect(buried.headers['dead-letter-cut']).toBe(String(Buffer.byteLength(fields.value)));
});
