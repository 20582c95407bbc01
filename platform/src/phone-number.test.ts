import { expect, it } from 'vitest';
import { toE164 } from './phone-number.ts';

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
])('reads %j in %s as %s', (text, region, number) => {
  expect(toE164(text, region)).toBe(number);
});
