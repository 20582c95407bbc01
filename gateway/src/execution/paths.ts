import { type Data, readOwn } from './data.ts';

/** A path in the response of the plan's fetches: `@` stands for each entry of a list. */
export type PlanPath = readonly (string | number)[];

/** A path in a response, with indexes for entries of lists. */
export type ResponsePath = (string | number)[];

const eachEntry = '@';

/** The objects at a path. What subgraphs did not return, or returned in another shape, has none. */
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
  else if (step !== eachEntry) collect(readOwn(value as Data, String(step)), path, index + 1, found);
}

/** The response paths of the objects at a path. Needed for errors only. */
export function pathsOfObjects(root: Data, path: PlanPath): Map<Data, ResponsePath> {
  const paths = new Map<Data, ResponsePath>();
  const walk = (value: unknown, index: number, at: ResponsePath): void => {
    if (typeof value !== 'object' || value === null) return;
    const step = path[index];
    if (Array.isArray(value)) {
      if (step === eachEntry) for (const [entry, element] of value.entries()) walk(element, index + 1, [...at, entry]);
    } else if (step === undefined) {
      if (!paths.has(value as Data)) paths.set(value as Data, at);
    } else if (step !== eachEntry) walk(readOwn(value as Data, String(step)), index + 1, [...at, step]);
  };
  walk(root, 0, []);
  return paths;
}

/** The path up to its first list: where the failure of a whole fetch is reported. */
export function pathToList(path: PlanPath): ResponsePath {
  const list = path.indexOf(eachEntry);
  return list === -1 ? [...path] : path.slice(0, list);
}
