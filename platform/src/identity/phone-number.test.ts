import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toE164 } from './phone-number.ts';

describe('phone number', () => {
  it.each([
    ['0909123456', 'VN', '+84909123456'],
    ['0909 123 456', 'VN', '+84909123456'],
    ['+84 909-123-456', 'VN', '+84909123456'],
    ['+84909123456', 'US', '+84909123456'],
    ['(650) 253-0000', 'US', '+16502530000'],
    ['12', 'VN', null],
    ['', 'VN', null],
    ['phone', 'VN', null],
    ['0909123456789', 'VN', null],
    [`0909123456${' '.repeat(40)}`, 'VN', null],
    ["+84901234567'; drop table…", 'VN', null],
    ['call +84901234567', 'VN', null],
    [' +84901234567', 'VN', null],
    ['+84901234567 ', 'VN', null],
    ['+84901234567\0', 'VN', null],
    ['+84901234567~', 'VN', null],
    ['+84901234567 ext. 12', 'VN', null],
    ['tel:0901234567;phone-context=+84', 'VN', null],
    ['0909123456/0909123457', 'VN', null],
    ['++84901234567', 'VN', null],
  ])('reads %j in %s as %s', (text, region, number) => {
    expect(toE164(text, region)).toBe(number);
  });

  it('reads null, or E.164 that reads as itself, from any text', () => {
    const digits = fc.string({ unit: fc.constantFrom(...'+0123456789 ()-.'), maxLength: 40 });
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), digits),
        fc.constantFrom('VN', 'US', 'DE'),
        (text, region) => {
          const number = toE164(text, region);
          if (number === null) return;
          expect(number).toMatch(/^\+[1-9]\d{3,14}$/);
          expect(toE164(number, region)).toBe(number);
          expect(text).not.toMatch(/[^\d+ ().-]/);
        },
      ),
      { numRuns: 400 },
    );
  });
});
