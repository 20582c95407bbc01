/** A step of a path in a plan: a response key, `@` for each entry of a list, or the types that go on. */
export type FetchStep = string | number | { types: readonly string[] };

/** Reads the path of a plan's node: the planner appends the types to the step before, as `key|[One,Other]`. */
export function readFetchPath(path: readonly (string | number)[]): FetchStep[] {
  return path.flatMap((step): FetchStep[] => {
    if (typeof step === 'number') return [step];
    const [key = '', list] = step.split('|');
    const types = list?.slice(1, -1).split(',').filter(Boolean) ?? [];
    // A path with types starts with an empty key. An empty list of types stands for all.
    return [...(key === '' ? [] : [key]), ...(types.length > 0 ? [{ types }] : [])];
  });
}
