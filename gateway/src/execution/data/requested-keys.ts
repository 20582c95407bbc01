import { type FragmentDefinitionNode, Kind, parse, type SelectionSetNode } from 'graphql';

/**
 * The response keys that a fetch selects, as a tree. Null allows any keys, for example in the value of a custom scalar.
 */
export type RequestedKeys = ReadonlyMap<string, RequestedKeys | null> | null;

type Keys = Map<string, Keys | null>;

/** Reads the response keys that a request selects. With `rootKey`, only the keys below this root field are read. */
export function readRequestedKeys(query: string, rootKey?: string): RequestedKeys {
  const { definitions } = parse(query, { noLocation: true });
  const fragments = new Map(
    definitions
      .filter((node): node is FragmentDefinitionNode => node.kind === Kind.FRAGMENT_DEFINITION)
      .map((fragment) => [fragment.name.value, fragment]),
  );
  /**
   * Adds the keys of a selection set and of its fragments. Type conditions are ignored, and each fragment is visited
   * once.
   */
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
