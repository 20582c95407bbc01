import { GraphQLError, GraphQLScalarType, Kind } from 'graphql';

/**
 * The DateTime scalar. Resolvers use a Date; clients see ISO 8601 in UTC with milliseconds. Input needs a UTC offset.
 */
export const dateTimeScalar = new GraphQLScalarType<Date, string>({
  name: 'DateTime',
  serialize(value) {
    const date = value instanceof Date ? value : new Date(String(value));
    if (Number.isNaN(date.getTime())) throw new GraphQLError('this is not an instant');
    return date.toISOString();
  },
  parseValue: parse,
  parseLiteral: (node) => parse(node.kind === Kind.STRING ? node.value : null),
});

function parse(value: unknown): Date {
  const isInstant =
    typeof value === 'string' &&
    /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:\d{2})$/.test(value);
  const date = new Date(isInstant ? value : Number.NaN);
  // PostgreSQL can't read years outside 1 to 9999 in the format of `toISOString`.
  if (!(date.getUTCFullYear() >= 1 && date.getUTCFullYear() <= 9_999)) {
    throw new GraphQLError('A DateTime is an ISO 8601 instant with an offset, such as 2026-01-31T12:00:00Z.', {
      extensions: { code: 'BAD_USER_INPUT' },
    });
  }
  return date;
}
