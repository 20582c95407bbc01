import { expect, it } from 'vitest';
import { toSend } from './slow-reader.ts';

const most = 100_000;

it('writes a short text as it is where nothing waits', () => {
  expect(toSend('é', 0, most)).toBe('é');
});

it('makes bytes of what may have to wait: a long text, and any behind others', () => {
  const long = 'é'.repeat(10_000);
  expect(toSend(long, 0, most)).toEqual(Buffer.from(long));
  expect(toSend('é', 1, most)).toEqual(Buffer.from('é'));
});

it('sends nothing past what may wait, counted in bytes, and one larger than that where nothing waits', () => {
  expect(toSend('é', most - 2, most)).toEqual(Buffer.from('é'));
  expect(toSend('é', most - 1, most)).toBeNull();
  expect(toSend('x'.repeat(most * 2), 0, most)).toHaveLength(most * 2);
});
