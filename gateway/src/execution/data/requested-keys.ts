import { type FragmentDefinitionNode, Kind, parse, type SelectionSetNode } from 'graphql';

/** The response keys that a fetch asks for, with those below each; null for anything, as below a leaf. */
export type RequestedKeys = ReadonlyMap<string, RequestedKeys | null> | null;

type Keys = Map<string, Keys | null>;

/** Reads what a request asks for; of one of its root fields, or of all. */
export function readRequestedKeys(query: string, rootKey?: string): RequestedKeys {
  const { definitions } = parse(query, { noLocation: true });
  const fragments = new Map(
    definitions
      .filter((node): node is FragmentDefinitionNode => node.kind === Kind.FRAGMENT_DEFINITION)
      .map((fragment) => [fragment.name.value, fragment]),
  );
  /** Adds the keys of a selection set, whatever types its fragments are for; each fragment once. */
  const collect = ({ selections }: SelectionSetNode, keys: Keys, visited: Set<string>): Keys => {
    for (const node of selections) {
      if (node.kind === Kind.FIELD) {
        const key = (node.alias ?? node.name).value;
        keys.set(key, node.selectionSet ? collect(node.selectionSet, keys.get(key) ?? new Map(), new Set()) : null);
        continue;
      }
      const name = node.kind === Kind.FRAGMENT_SPREAD ? node.name.value : null;
      if (name !== null && visited.has(name)) continue;
      if (name !== null) visited.add(name);
      const fragment = node.kind === Kind.INLINE_FRAGMENT ? node : fragments.get(node.name.value);
      if (fragment) collect(fragment.selectionSet, keys, visited);
    }
    return keys;
  };
  const operation = definitions.find((node) => node.kind === Kind.OPERATION_DEFINITION);
  if (!operation) return null;
  const all = collect(operation.selectionSet, new Map(), new Set());
  return rootKey === undefined ? all : (all.get(rootKey) ?? null);
}
