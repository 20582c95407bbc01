import {
  type FieldNode,
  type FragmentDefinitionNode,
  type FragmentSpreadNode,
  type InlineFragmentNode,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { isIncluded } from '../../request/conditions.ts';
import type { Conditions } from '../../request/variables.ts';
import type { HiddenFields } from './hidden-fields.ts';

/** A selection set after `@skip` and `@include` were evaluated. Equal ids mean the same selection set. */
export interface Selections {
  readonly id: number;
  readonly items: readonly Selection[];
}

export type Selection =
  | {
      kind: 'field';
      /** The response key. */
      key: string;
      /** The key in the merged data, which differs from `key` if the plan uses an alias. */
      dataKey: string;
      name: string;
      /** Null for a leaf. */
      selections: Selections | null;
      /** The syntax node, if this is an introspection field: graphql-js executes it. */
      introspection: FieldNode | null;
      /** Whether the client may not see the field. A hidden field is null in the response. */
      isHidden: boolean;
    }
  | {
      kind: 'fragment';
      /** The fragment's type condition; null if it has none. */
      on: string | null;
      selections: Selections;
      /** Set if the fragment is sent in a deferred part of the response. */
      deferral: Deferral | null;
    };

/** The name and the label of a fragment with `@defer`. */
export interface Deferral {
  /**
   * The name that `nameDeferred` gives the fragment, such as `F:0`. The fragment's label in the plan is this name with
   * a number: `F:0#3`.
   */
  name: string;
  /** The client's label; null if it has none. */
  label: string | null;
}

export interface SelectionsOptions {
  /** The document's fragments, by name. */
  fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  conditions: Conditions;
  /** The client's aliases that the plan replaces, with their replacements. */
  renamedKeys?: Readonly<Record<string, string>> | undefined;
  /** Returns the name and the label of a deferred fragment; null for any other fragment. */
  deferralOf(node: InlineFragmentNode | FragmentSpreadNode): Deferral | null;
  /** The fields that the client may not see; null if it may see all. */
  hidden: HiddenFields | null;
}

/**
 * Converts a selection set to a form without syntax nodes, because syntax nodes take a lot of memory. A fragment is
 * read once, even if it is spread several times.
 */
export function readSelections(
  selectionSet: SelectionSetNode,
  { fragments, conditions, renamedKeys = {}, deferralOf, hidden }: SelectionsOptions,
): Selections {
  const known = new Map<string, Selections>();
  /** Leaves by syntax node. Equal leaves of a document share one node (see `parse-document.ts`). */
  const leaves = new Map<FieldNode, Selection>();
  let nextId = 0;

  const read = (node: SelectionSetNode, type: string): Selections => {
    const id = nextId++;
    const items: Selection[] = [];
    for (const selection of node.selections) {
      const item = isIncluded(selection, conditions) ? readSelection(selection, type) : null;
      if (item) items.push(item);
    }
    return { id, items };
  };
  const readField = (node: FieldNode, type: string): Selection => {
    const { alias, selectionSet: below } = node;
    const name = node.name.value;
    const key = alias?.value ?? name;
    return {
      kind: 'field',
      key,
      dataKey: key !== name && Object.hasOwn(renamedKeys, key) ? (renamedKeys[key] as string) : key,
      name,
      selections: below ? read(below, hidden?.typeOf(type, name) ?? '') : null,
      introspection: name === '__schema' || name === '__type' ? node : null,
      isHidden: hidden?.has(type, name) ?? false,
    };
  };
  const readLeaf = (node: FieldNode, type: string): Selection => {
    const leaf = leaves.get(node) ?? readField(node, type);
    leaves.set(node, leaf);
    return leaf;
  };
  const readSelection = (node: SelectionNode, type: string): Selection | null => {
    switch (node.kind) {
      case Kind.FIELD:
        return node.selectionSet || hidden ? readField(node, type) : readLeaf(node, type);
      case Kind.INLINE_FRAGMENT: {
        const on = node.typeCondition?.name.value ?? null;
        return { kind: 'fragment', on, selections: read(node.selectionSet, on ?? type), deferral: deferralOf(node) };
      }
      case Kind.FRAGMENT_SPREAD: {
        const name = node.name.value;
        const fragment = fragments[name];
        if (!fragment) return null;
        const on = fragment.typeCondition.name.value;
        const selections = known.get(name) ?? read(fragment.selectionSet, on);
        known.set(name, selections);
        return { kind: 'fragment', on, selections, deferral: deferralOf(node) };
      }
    }
  };
  return read(selectionSet, hidden?.root ?? '');
}
