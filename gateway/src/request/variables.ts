import { CodedError } from '@voucher-gateway/platform/errors';
import { assertValidText } from '@voucher-gateway/platform/http/text';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import {
  coerceInputValue,
  type GraphQLSchema,
  isInputType,
  isNonNullType,
  Kind,
  type OperationDefinitionNode,
  typeFromAST,
  valueFromAST,
} from 'graphql';
import { maxNesting, tooComplex } from './limits.ts';
import { isNestedDeeper } from './nesting.ts';

export type Variables = Readonly<Record<string, unknown>>;

/** Values of the variables that `@skip`, `@include` and `@defer` depend on. */
export type Conditions = Readonly<Record<string, boolean>>;

/**
 * Checks a request's variables before use. Deep nesting is refused, because serialisers recurse. The function also
 * refuses text that is not valid Unicode, and values that would change on the way to subgraphs (`findFault`).
 *
 * @throws CodedError BAD_USER_INPUT, OPERATION_TOO_COMPLEX
 */
export function checkVariables(variables: unknown): Variables {
  if (variables === undefined || variables === null) return {};
  if (typeof variables !== 'object' || Array.isArray(variables))
    throw new CodedError<PublicErrorCode>('BAD_USER_INPUT', 'The variables must be an object.');
  if (isNestedDeeper(variables, maxNesting)) throw tooComplex('nesting', maxNesting);
  assertValidText(variables);
  for (const [name, value] of Object.entries(variables)) {
    const fault = name === '__proto__' ? prototypeKey : findFault(value);
    if (fault) throw unfit([name], fault);
  }
  return variables as Variables;
}

/** Many JSON parsers refuse the keys `__proto__` and `constructor`, or change the object's prototype. */
const prototypeKey = 'the key __proto__, and constructor with a prototype, are not allowed.';

/**
 * Looks in a JSON value for a key or number that would change on the way to subgraphs. Returns the error message; null
 * if there is no fault.
 */
function findFault(value: unknown): string | null {
  // JSON.parse reads 1e999 as infinity, which JSON.stringify writes as null.
  if (typeof value === 'number') return Number.isFinite(value) ? null : 'a number is too large.';
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, child] of Object.entries(value)) {
    if (key === '__proto__' || (key === 'constructor' && hasPrototype(child))) return prototypeKey;
    const fault = findFault(child);
    if (fault) return fault;
  }
  return null;
}

function hasPrototype(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype');
}

/**
 * Coerces variables to their types, and applies defaults. Stops at the first error. Each error message of graphql-js
 * contains the value, so many errors would make a very large response.
 *
 * @throws CodedError BAD_USER_INPUT with the path of the invalid value as `argument`, such as `input.phoneNumber`
 * @see https://spec.graphql.org/draft/#CoerceVariableValues()
 */
export function coerceVariables(
  schema: GraphQLSchema,
  { variableDefinitions = [] }: OperationDefinitionNode,
  variables: Variables,
  hideSuggestions: boolean,
): Record<string, unknown> {
  const coerced: Record<string, unknown> = {};
  for (const { variable, type: typeNode, defaultValue } of variableDefinitions) {
    const name = variable.name.value;
    const type = typeFromAST(schema, typeNode);
    if (!isInputType(type)) throw unfit([name], `$${name} has no input type.`);
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (value === undefined) {
      if (defaultValue) coerced[name] = valueFromAST(defaultValue, type);
      else if (isNonNullType(type)) throw unfit([name], `a value of type "${type}" is required.`);
      continue;
    }
    const fail = (path: readonly (string | number)[], _value: unknown, { message }: Error) => {
      throw unfit([name, ...path], message);
    };
    coerced[name] = coerceInputValue(value, type, fail, hideSuggestions);
  }
  return coerced;
}

const maxReasonLength = 300;

function unfit(path: readonly (string | number)[], reason: string): CodedError<PublicErrorCode> {
  const argument = path.join('.').slice(0, maxReasonLength);
  const shown = reason.length > maxReasonLength ? `${reason.slice(0, maxReasonLength)}…` : reason;
  return new CodedError<PublicErrorCode>('BAD_USER_INPUT', `The variable $${argument} does not fit: ${shown}`, {
    details: { argument },
  });
}

/**
 * Reads the values of the variables that `@skip`, `@include` and `@defer` depend on. Values that are not Booleans are
 * omitted, because coercion reports them later.
 *
 * @throws CodedError BAD_USER_INPUT if the value is null. A nullable variable with a default accepts null. But the
 *   directives' argument `if` does not accept null
 */
export function readConditions(
  names: readonly string[],
  { variableDefinitions = [] }: OperationDefinitionNode,
  variables: Variables,
): Conditions {
  const conditions: Record<string, boolean> = {};
  for (const name of names) {
    const definition = variableDefinitions.find(({ variable }) => variable.name.value === name);
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
    const { defaultValue } = definition ?? {};
    if (definition && value === null) throw unfit([name], 'a condition needs true or false.');
    if (typeof value === 'boolean') conditions[name] = value;
    else if (value === undefined && defaultValue?.kind === Kind.BOOLEAN) conditions[name] = defaultValue.value;
  }
  return conditions;
}
