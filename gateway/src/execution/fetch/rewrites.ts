import type { FetchDataRewrite } from '@apollo/query-planner';
import { type GraphQLSchema, isAbstractType, isInterfaceType, isObjectType } from 'graphql';
import { type Data, isData, readOwn, setOwn } from '../data/data.ts';

const fragmentPrefix = '... on ';

/**
 * Applies the planner's rewrites to data that is sent to a subgraph, or that a subgraph has returned. The rewrites
 * rename keys and replace type names.
 */
export function applyRewrites(
  schema: GraphQLSchema,
  rewrites: readonly FetchDataRewrite[] | undefined,
  value: unknown,
): void {
  for (const rewrite of rewrites ?? []) {
    const key = rewrite.path.at(-1);
    if (key !== undefined) applyAt(schema, rewrite, rewrite.path.length - 1, 0, value);
  }
}

function applyAt(schema: GraphQLSchema, rewrite: FetchDataRewrite, last: number, index: number, value: unknown): void {
  if (Array.isArray(value)) {
    for (const entry of value) applyAt(schema, rewrite, last, index, entry);
    return;
  }
  if (!isData(value)) return;
  const step = rewrite.path[index] as string;
  if (index === last) apply(rewrite, step, value);
  else if (!step.startsWith(fragmentPrefix)) applyAt(schema, rewrite, last, index + 1, readOwn(value, step));
  else if (isOfType(schema, value, step.slice(fragmentPrefix.length), true))
    applyAt(schema, rewrite, last, index + 1, value);
}

function apply(rewrite: FetchDataRewrite, key: string, value: Data): void {
  if (rewrite.kind === 'ValueSetter') {
    setOwn(value, key, rewrite.setValueTo);
    return;
  }
  const moved = readOwn(value, key);
  // Null is moved like any other value. Otherwise the client's field would be missing instead of null.
  if (moved === undefined) return;
  setOwn(value, rewrite.renameKeyTo, moved);
  value[key] = undefined;
}

/** Converts the path of a subgraph's error to the client's path, by restoring the keys that the request renamed. */
export function rewritePath(
  rewrites: readonly FetchDataRewrite[] | undefined,
  path: readonly (string | number)[],
): (string | number)[] {
  const renamed = [...path];
  for (const rewrite of rewrites ?? []) {
    if (rewrite.kind !== 'KeyRenamer') continue;
    const keys = rewrite.path.filter((step) => !step.startsWith(fragmentPrefix));
    const places = [...path.keys()].filter((index) => typeof path[index] === 'string').slice(0, keys.length);
    const last = places.at(-1);
    if (last !== undefined && keys.every((key, index) => path[places[index] ?? -1] === key))
      renamed[last] = rewrite.renameKeyTo;
  }
  return renamed;
}

/**
 * Whether an object is of this type. If the type is an interface or a union, objects of its object types match too.
 *
 * @param ifUnknown the result for an object without `__typename`
 */
export function isOfType(schema: GraphQLSchema, value: Data, typeName: string, ifUnknown: boolean): boolean {
  const name = readOwn(value, '__typename');
  if (!name) return ifUnknown;
  return name === typeName || (typeof name === 'string' && isSubtypeByName(schema, name, typeName));
}

function isSubtypeByName(schema: GraphQLSchema, name: string, typeName: string): boolean {
  const type = schema.getType(name);
  const condition = schema.getType(typeName);
  return (
    isAbstractType(condition) && (isObjectType(type) || isInterfaceType(type)) && schema.isSubType(condition, type)
  );
}
