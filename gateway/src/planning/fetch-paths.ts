/**
 * One element of a path in a plan: a response key, `@` for all items of a list, or a set of types. After a set of
 * types, the path continues only in objects of these types.
 */
export type FetchStep = string | number | { types: readonly string[] };

/** Reads the path of a plan's node. The planner appends types to the preceding key, as `key|[One,Other]`. */
export function readFetchPath(path: readonly (string | number)[]): FetchStep[] {
  return path.flatMap((step): FetchStep[] => {
    if (typeof step === 'number') return [step];
    const [key = '', list] = step.split('|');
    const types = list?.slice(1, -1).split(',').filter(Boolean) ?? [];
    // If the path starts with types (`|[One]`), the key is empty. An empty list of types means all types.
    return [...(key === '' ? [] : [key]), ...(types.length > 0 ? [{ types }] : [])];
  });
}
