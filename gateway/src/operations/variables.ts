import { CodedError } from '@voucher-gateway/platform/errors';
import { assertValidText } from '@voucher-gateway/platform/text';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { Kind, type OperationDefinitionNode } from 'graphql';
import { maxNesting, tooComplex } from './limits.ts';
import type { Conditions } from './planning/resolve-conditions.ts';

export type Variables = Readonly<Record<string, unknown>>;

/**
 * The variables of a request, found fit to be passed on: whatever their types, serialisers recurse into them.
 *
 * @throws CodedError BAD_USER_INPUT, OPERATION_TOO_COMPLEX
 */
export function checkVariables(variables: unknown): Variables {
  if ((variables ?? null) === null) return {};
  if (typeof variables !== 'object' || Array.isArray(variables))
    throw new CodedError<PublicErrorCode>('BAD_USER_INPUT', 'The variables must be an object.');
  if (isNestedDeeper(variables, maxNesting)) throw tooComplex('nesting', maxNesting);
  assertValidText(variables);
  return variables as Variables;
}

/**
 * The values of the variables that `@skip` and `@include` depend on, as far as they are Booleans: what is not is found
 * when the variables are coerced.
 */
export function readConditions(
  names: readonly string[],
  { variableDefinitions = [] }: OperationDefinitionNode,
  variables: Variables,
): Conditions {
  const conditions: Record<string, boolean> = {};
  for (const name of names) {
    const definition = variableDefinitions.find(({ variable }) => variable.name.value === name);
    const given = Object.hasOwn(variables, name) ? variables[name] : undefined;
    const { defaultValue } = definition ?? {};
    if (typeof given === 'boolean') conditions[name] = given;
    else if (given === undefined && defaultValue?.kind === Kind.BOOLEAN) conditions[name] = defaultValue.value;
  }
  return conditions;
}

/** Without recursion: level by level. */
function isNestedDeeper(value: unknown, levels: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > levels) return true;
    level = level.flatMap((entry) => (typeof entry === 'object' && entry !== null ? Object.values(entry) : []));
  }
  return false;
}
