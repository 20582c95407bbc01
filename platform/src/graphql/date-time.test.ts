import { Kind } from 'graphql';
import { expect, it } from 'vitest';
import { dateTimeScalar } from './date-time.ts';

it('DateTime: serializes to ISO 8601 in UTC with milliseconds', () => {
  expect(dateTimeScalar.serialize(new Date('2026-01-31T12:00:00+07:00'))).toBe('2026-01-31T05:00:00.000Z');
});

it.each(['2026-01-31T12:00:00Z', '2026-01-31T12:00Z', '2026-01-31T19:00:00.000+07:00'])(
  'DateTime: accepts %s',
  (text) => {
    const instant = new Date('2026-01-31T12:00:00Z');
    expect(dateTimeScalar.parseValue(text)).toEqual(instant);
    expect(dateTimeScalar.parseLiteral({ kind: Kind.STRING, value: text }, {})).toEqual(instant);
  },
);

it.each([
  '2026-01-31',
  '2026-01-31T12:00:00',
  '31 January 2026',
  '2026-02-31T25:00:00Z',
  1_769_860_800_000,
  null,
  // Regression: these dates were accepted. PostgreSQL has no year 0, and can't read JavaScript's format of years with
  // five digits.
  '0000-12-31T23:59:59Z',
  '0001-01-01T00:00:00+00:01',
  '9999-12-31T23:59:59-00:01',
])('DateTime: rejects %s', (given) => {
  expect(() => dateTimeScalar.parseValue(given)).toThrow('ISO 8601 instant with an offset');
});
