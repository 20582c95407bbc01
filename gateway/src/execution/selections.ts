import { type FieldNode, type FragmentDefinitionNode, Kind, type SelectionNode, type SelectionSetNode } from 'graphql';
import type { Conditions } from '../request/variables.ts';

/** A selection set with its conditions resolved. Equal ids mean the same selection set. */
export interface Selections {
  readonly id: number;
  readonly items: readonly Selection[];
}

export type Selection =
  | {
      kind: 'field';
      /** The response key. */
      key: string;
      /** The key in the data of the plan, below the root. */
      dataKey: string;
      name: string;
      /** Null for a leaf. */
      selections: Selections | null;
      /** The syntax node of an introspection field, which graphql-js executes. */
      introspection: FieldNode | null;
    }
  | {
      kind: 'fragment';
      /** The type that the fragment is for; null for any. */
      on: string | null;
      selections: Selections;
    };

/**
 * Reads a selection set into a form that keeps no syntax nodes: they have many times its memory. A fragment that is spread
 * several times is read once.
 */
export function readSelections(
  selectionSet: SelectionSetNode,
  fragments: Readonly<Record<string, FragmentDefinitionNode>>,
  conditions: Conditions,
  renamedKeys: Readonly<Record<string, string>> = {},
): Selections {
  const known = new Map<string, Selections>();
  let nextId = 0;

  const read = (node: SelectionSetNode): Selections => {
    const id = nextId++;
    const items: Selection[] = [];
    for (const selection of node.selections) {
      const item = isIncluded(selection, conditions) ? readSelection(selection) : null;
      if (item) items.push(item);
    }
    return { id, items };
  };
  const readSelection = (node: SelectionNode): Selection | null => {
    switch (node.kind) {
      case Kind.FIELD: {
        const name = node.name.value;
        const key = node.alias?.value ?? name;
        return {
          kind: 'field',
          key,
          dataKey: key !== name && Object.hasOwn(renamedKeys, key) ? (renamedKeys[key] as string) : key,
          name,
          selections: node.selectionSet ? read(node.selectionSet) : null,
          introspection: name === '__schema' || name === '__type' ? node : null,
        };
      }
      case Kind.INLINE_FRAGMENT:
        return { kind: 'fragment', on: node.typeCondition?.name.value ?? null, selections: read(node.selectionSet) };
      case Kind.FRAGMENT_SPREAD: {
        const name = node.name.value;
        const fragment = fragments[name];
        if (!fragment) return null;
        const selections = known.get(name) ?? read(fragment.selectionSet);
        known.set(name, selections);
        return { kind: 'fragment', on: fragment.typeCondition.name.value, selections };
      }
    }
  };
  return read(selectionSet);
}

/** Whether `@skip` and `@include` leave the selection in. */
function isIncluded({ directives = [] }: SelectionNode, conditions: Conditions): boolean {
  return directives.every(({ name, arguments: args = [] }) => {
    if (name.value !== 'skip' && name.value !== 'include') return true;
    const condition = args.find((argument) => argument.name.value === 'if')?.value;
    const value =
      condition?.kind === Kind.VARIABLE
        ? conditions[condition.name.value]
        : condition?.kind === Kind.BOOLEAN && condition.value;
    return name.value === 'include' ? value === true : value !== true;
  });
}
