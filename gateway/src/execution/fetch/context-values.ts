import type { FetchDataKeyRenamer } from '@apollo/query-planner';
import type { GraphQLSchema } from 'graphql';
import { type Data, isData, readOwn } from '../data/data.ts';
import { isOneOf, type PlanPath } from '../data/paths.ts';
import { isOfType } from './rewrites.ts';

/** Objects whose `@fromContext` arguments have equal values, and these values. */
export interface ContextGroup {
  /** JSON texts by variable. */
  values: readonly (readonly [variable: string, json: string])[];
  objects: Data[];
}

/** Groups the objects at a path by the values of their `@fromContext` arguments. */
export function groupByContext(
  schema: GraphQLSchema,
  context: readonly FetchDataKeyRenamer[],
  root: Data,
  path: PlanPath,
): ContextGroup[] {
  const groups = new Map<string, ContextGroup>();
  walk(root, path, 0, [], (object, around) => {
    const found = new Map<string, string>();
    for (const { path: to, renameKeyTo } of context) {
      if (found.has(renameKeyTo)) continue;
      const value = readFrom(schema, object, around, to);
      if (value !== undefined) found.set(renameKeyTo, JSON.stringify(value));
    }
    const values = [...found];
    const key = JSON.stringify(values);
    const group = groups.get(key) ?? { values, objects: [] };
    groups.set(key, group);
    group.objects.push(object);
  });
  return [...groups.values()];
}

/** Visits the objects at a path, each with the objects that contain it, outermost first. */
function walk(
  value: unknown,
  path: PlanPath,
  index: number,
  around: readonly Data[],
  visit: (object: Data, around: readonly Data[]) => void,
): void {
  const step = path[index];
  if (Array.isArray(value)) {
    if (step === '@') for (const entry of value) walk(entry, path, index + 1, around, visit);
  } else if (!isData(value)) return;
  else if (step === undefined) visit(value, around);
  else if (typeof step === 'object') {
    if (isOneOf(value, step)) walk(value, path, index + 1, around, visit);
  } else if (step !== '@') walk(readOwn(value, String(step)), path, index + 1, [...around, value], visit);
}

/**
 * Reads the value at a path from an object; `..` goes to the containing object. Undefined if a type condition in the
 * path does not match.
 */
function readFrom(schema: GraphQLSchema, object: Data, around: readonly Data[], path: readonly string[]): unknown {
  let value: unknown = object;
  let level = around.length;
  for (const step of path) {
    if (step === '..') {
      level -= 1;
      value = around[level];
    } else if (!isData(value)) return value === null ? null : undefined;
    else if (!step.startsWith('... on ')) value = readOwn(value, step);
    else if (!isOfType(schema, value, step.slice(7), false)) return undefined;
  }
  return value;
}
