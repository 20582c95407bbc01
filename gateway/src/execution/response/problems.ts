import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { GraphQLError } from 'graphql';
import type { ResponsePath } from '../data/paths.ts';

/**
 * Creates the errors for values that do not match the types of their fields. A value gets no error if one of `errors`
 * is already at its path, above its path, or below its path. If one of `errors` has no path, no value gets an error.
 */
export function problemErrors(problems: readonly ResponsePath[], errors: readonly GraphQLError[]): GraphQLError[] {
  if (problems.length === 0 || errors.some(({ path }) => !path || path.length === 0)) return [];
  const ends = new Set<string>();
  const above = new Set<string>();
  for (const { path = [] } of errors) {
    ends.add(keyOf(path));
    for (let length = 1; length < path.length; length += 1) above.add(keyOf(path.slice(0, length)));
  }
  const isExplained = (path: ResponsePath) =>
    above.has(keyOf(path)) || path.some((_, index) => ends.has(keyOf(path.slice(0, index + 1))));
  return problems
    .filter((path) => !isExplained(path) && !isExplained(inAnyEntry(path)))
    .map(
      (path) =>
        new GraphQLError('A subgraph answered a value that does not fit its field.', {
          path,
          extensions: { code: 'SUBGRAPH_INVALID_RESPONSE' satisfies PublicErrorCode },
        }),
    );
}

/**
 * Replaces indexes with `@`: `items.3.name` becomes `items.@.name`. `PlanError.path` has this form, because a
 * `PlanError` covers all items of a list.
 */
export const inAnyEntry = (path: ResponsePath) => path.map((step) => (typeof step === 'number' ? '@' : step));

export const keyOf = (path: readonly (string | number)[]) => JSON.stringify(path);
