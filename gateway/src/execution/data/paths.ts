import { type GraphQLSchema, isObjectType } from 'graphql';
import { readFetchPath } from '../../planning/fetch-paths.ts';
import { type Data, readOwn } from './data.ts';

/**
 * A path in the merged data: `@` means every entry of a list. A set of type names means that the path continues only in
 * objects of these types.
 */
export type PlanPath = readonly (string | number | ReadonlySet<string>)[];

/** A path in a response, with indexes for entries of lists. */
export type ResponsePath = (string | number)[];

const eachEntry = '@';

/**
 * Reads a path of the plan. Each type in the path also matches objects whose `__typename` is one of the type's
 * interfaces. A subgraph with `@interfaceObject` returns such a `__typename`, because it does not know the object
 * types.
 */
export function readPlanPath(schema: GraphQLSchema, path: readonly (string | number)[]): PlanPath {
  const namesOf = (name: string) => {
    const type = schema.getType(name);
    return [name, ...(isObjectType(type) ? type.getInterfaces().map((each) => each.name) : [])];
  };
  return readFetchPath(path).map((step) => (typeof step === 'object' ? new Set(step.types.flatMap(namesOf)) : step));
}

/** Whether an object may be of one of these types. An object without `__typename` may be of any type. */
export function isOneOf(object: Data, types: ReadonlySet<string>): boolean {
  const name = readOwn(object, '__typename');
  return typeof name !== 'string' || types.has(name);
}

/** Finds the objects at a path. Missing values and values that are not objects are skipped. */
export function objectsAt(root: Data, path: PlanPath): Data[] {
  const found: Data[] = [];
  collect(root, path, 0, found);
  return found;
}

function collect(value: unknown, path: PlanPath, index: number, found: Data[]): void {
  if (typeof value !== 'object' || value === null) return;
  const step = path[index];
  if (Array.isArray(value)) {
    if (step === eachEntry) for (const entry of value) collect(entry, path, index + 1, found);
  } else if (step === undefined) found.push(value as Data);
  else if (typeof step === 'object') {
    if (isOneOf(value as Data, step)) collect(value, path, index + 1, found);
  } else if (step !== eachEntry) collect(readOwn(value as Data, String(step)), path, index + 1, found);
}

/**
 * Finds the objects at a path. Maps each object to its response path, at which errors about the object are reported.
 */
export function pathsOfObjects(root: Data, path: PlanPath): Map<Data, ResponsePath> {
  const paths = new Map<Data, ResponsePath>();
  const walk = (value: unknown, index: number, at: ResponsePath): void => {
    if (typeof value !== 'object' || value === null) return;
    const step = path[index];
    if (Array.isArray(value)) {
      if (step === eachEntry) for (const [entry, element] of value.entries()) walk(element, index + 1, [...at, entry]);
    } else if (step === undefined) {
      if (!paths.has(value as Data)) paths.set(value as Data, at);
    } else if (typeof step === 'object') {
      if (isOneOf(value as Data, step)) walk(value, index + 1, at);
    } else if (step !== eachEntry) walk(readOwn(value as Data, String(step)), index + 1, [...at, step]);
  };
  walk(root, 0, []);
  return paths;
}

/**
 * Returns the part of a path before its first list. If a whole fetch fails, the error is reported at this shorter path.
 * So there is one error for the list, and not one for each entry.
 */
export function pathToList(path: PlanPath): ResponsePath {
  const list = path.indexOf(eachEntry);
  const before = list === -1 ? path : path.slice(0, list);
  return before.filter((step) => typeof step !== 'object');
}
