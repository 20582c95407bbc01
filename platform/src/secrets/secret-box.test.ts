import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTestSecrets } from '../testing/secrets.ts';
import { createKeyText, createPlainBox, createSecretBox, parseKey } from './secret-box.ts';

const use = { purpose: 'delivery.callback_secret', id: 'a' };

describe('secret box', () => {
  it('secret box: opens what it has sealed, and seals each time differently', () => {
    const box = createTestSecrets();
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const sealed = box.seal(text, use);
        expect(box.open(sealed, use)).toBe(text.toWellFormed());
        expect(box.seal(text, use)).not.toBe(sealed);
      }),
    );
  });

  it('secret box: hides the text, and names the key', () => {
    const box = createTestSecrets();
    const sealed = box.seal('whsec_abc', use);
    expect(sealed).toMatch(/^sealed:[\da-f]{8}:[\w-]+$/);
    expect(sealed.startsWith(box.prefix)).toBe(true);
    expect(Buffer.from(sealed.slice(box.prefix.length), 'base64url').toString('latin1')).not.toContain('whsec');
  });

  it.each([
    ['another row', { ...use, id: 'b' }],
    ['another purpose', { ...use, purpose: 'users.signing_key' }],
    ['a use with the same letters', { purpose: 'delivery.callback_secret","a', id: '' }],
  ])('secret box: does not open for %s', (_, other) => {
    const box = createTestSecrets();
    expect(() => box.open(box.seal('secret', use), other)).toThrow('altered, or belongs to another row');
  });

  it('secret box: does not open what was altered or cut off', () => {
    const box = createTestSecrets();
    const sealed = box.seal('secret', use);
    const bytes = Buffer.from(sealed.slice(box.prefix.length), 'base64url');
    for (let index = 0; index < bytes.length; index += 1) {
      const altered = Buffer.from(bytes);
      altered.writeUInt8(altered.readUInt8(index) ^ 1, index);
      expect(() => box.open(box.prefix + altered.toString('base64url'), use)).toThrow('altered');
      expect(() => box.open(box.prefix + bytes.subarray(0, index).toString('base64url'), use)).toThrow('altered');
    }
  });

  it('secret box: returns text in the clear as it is', () => {
    expect(createTestSecrets().open('whsec_abc', use)).toBe('whsec_abc');
  });

  it('rotation: the first key seals, and older ones open', () => {
    const old = createTestSecrets(1);
    const both = createTestSecrets(2, 1);
    const sealed = old.seal('secret', use);
    expect(both.open(sealed, use)).toBe('secret');
    expect(createTestSecrets(2).open(both.seal('secret', use), use)).toBe('secret');
    expect(() => createTestSecrets(2).open(sealed, use)).toThrow(
      expect.objectContaining({ code: 'SECRETS_KEY_WRONG', message: expect.stringContaining(old.prefix.slice(7, -1)) }),
    );
  });

  it('without a key: secrets stay as they are, and sealed ones are not opened', () => {
    const plain = createPlainBox();
    expect(plain.open(plain.seal('whsec_abc', use), use)).toBe('whsec_abc');
    expect(plain.seal('whsec_abc', use)).toBe('whsec_abc');
    expect(() => plain.open(createTestSecrets().seal('secret', use), use)).toThrow(
      expect.objectContaining({ code: 'SECRETS_KEY_WRONG' }),
    );
  });

  it('key: is 32 bytes as base64', () => {
    const text = createKeyText();
    const key = parseKey(text);
    expect(key?.toString('base64')).toBe(text);
    expect(parseKey(` ${text}\n`)).toEqual(key);
    for (const wrong of ['', 'short', `${text}A`, Buffer.alloc(31).toString('base64'), 'x'.repeat(44), '!'.repeat(43)])
      expect(parseKey(wrong)).toBeNull();
    if (key) expect(createSecretBox([key]).prefixes).toHaveLength(1);
  });
});
