import { fieldsOf, readFetchText } from './fetch-text.ts';
import { scheduleSteps } from './schedule.ts';
import type { EntityFetch, Step } from './steps.ts';

/**
 * Merges entity fetches into one request if they go to the same subgraph at the same time. In the request, fetches that
 * select the same fields share one `_entities` field. Fetches that select different fields have one `_entities` field
 * each. Fetches of different deferred parts are never merged.
 */
export function mergeSteps(steps: readonly Step[]): Step[] {
  const parts = [...Map.groupBy(steps.keys(), (index) => steps[index]?.part).values()];
  const levels: number[] = [];
  // The first level of the next deferred part. Only fetches of the same level are merged. So each part has its own
  // levels, and fetches of different parts are not merged.
  let first = 0;
  for (const indexes of parts) {
    const scheduled = scheduleSteps(indexes.map((index) => within(indexes, steps[index] as Step)));
    for (const [position, index] of indexes.entries()) levels[index] = first + (scheduled[position] as number);
    first += indexes.length;
  }
  const groups = Map.groupBy(steps.keys(), (index) => {
    const { entities, subgraph, context } = steps[index] as Step;
    return entities && !context ? `${levels[index]} ${subgraph}` : `step ${index}`;
  });
  const merged: { members: readonly number[]; step: Step }[] = [];
  const inOrder = [...groups.values()].sort((a, b) => (levels[a[0] as number] ?? 0) - (levels[b[0] as number] ?? 0));
  for (const members of inOrder) {
    const step = members.length > 1 ? mergeEntitySteps(members.map((index) => steps[index] as Step)) : null;
    if (step) merged.push({ members, step });
    else for (const index of members) merged.push({ members: [index], step: steps[index] as Step });
  }
  const positions = new Map(
    merged.flatMap(({ members }, position) => members.map((index) => [index, position] as const)),
  );
  return merged.map(({ members, step }) => ({
    ...step,
    after: [
      ...new Set(members.flatMap((index) => steps[index]?.after ?? []).map((index) => positions.get(index) as number)),
    ],
  }));
}

/**
 * Returns a copy of a step that waits only for steps of its own deferred part. In the copy, `after` contains positions
 * in `indexes`.
 */
function within(indexes: readonly number[], step: Step): Step {
  return { ...step, after: step.after.map((index) => indexes.indexOf(index)).filter((position) => position >= 0) };
}

/** Merges steps into one; null if their request texts can't be merged. */
function mergeEntitySteps(steps: readonly Step[]): Step | null {
  const [first] = steps;
  const fetches = new Map<string, EntityFetch & { selection: string }>();
  const variables = new Map<string, string>();
  const fragments = new Map<string, string>();
  for (const step of steps) {
    const text = readFetchText(step.query);
    if (!text || !addAll(variables, text.variables) || !addAll(fragments, text.fragments)) return null;
    const targets = step.entities?.flatMap((entity) => entity.targets) ?? [];
    const sharedAs = step.entities?.[0]?.sharedAs ?? null;
    const index = fetches.size;
    const known = fetches.get(fieldsOf(text));
    const fetch = known ?? {
      key: `_e${index}`,
      variable: `_r${index}`,
      targets: [],
      sharedAs,
      selection: text.selection,
    };
    fetches.set(fieldsOf(text), { ...fetch, targets: [...fetch.targets, ...targets] });
  }
  const names = [...variables.keys()];
  if (!first || names.some((name) => ownVariable.test(name))) return null;
  const entities = [...fetches.values()];
  const [only] = entities;
  // All steps fetch the same fields, so the text of the first step is used for all.
  if (entities.length === 1 && only)
    return { ...first, entities: [{ ...only, key: '_entities', variable: 'representations' }], variables: names };
  const definitions = [...entities.map(({ variable }) => `$${variable}:[_Any!]!`), ...variables.values()].join();
  const fields = entities.map(
    ({ key, variable, selection }) => `${key}:_entities(representations:$${variable})${selection}`,
  );
  const name = first.operationName === undefined ? '' : ` ${first.operationName}`;
  return {
    ...first,
    query: `query${name}(${definitions}){${fields.join(' ')}}${[...fragments.values()].join('')}`,
    variables: names,
    entities,
  };
}

/** Adds definitions. Returns false if a known definition of the same name has another text. */
function addAll(known: Map<string, string>, added: ReadonlyMap<string, string>): boolean {
  for (const [name, text] of added) {
    if ((known.get(name) ?? text) !== text) return false;
    known.set(name, text);
  }
  return true;
}

/** Matches the names that merged requests use for their own variables. */
const ownVariable = /^_r\d+$/;
