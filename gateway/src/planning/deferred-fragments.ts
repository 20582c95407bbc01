import {
  type ASTNode,
  type DirectiveNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  type FragmentSpreadNode,
  type InlineFragmentNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  visit,
} from 'graphql';
import { conditionOf, isTrue } from '../request/conditions.ts';
import type { Conditions } from '../request/variables.ts';

type Fragment = InlineFragmentNode | FragmentSpreadNode;
type Definition = OperationDefinitionNode | FragmentDefinitionNode;

/**
 * Names the fragments with `@defer` in an operation (`:0`, `:1`) or in a named fragment `F` (`F:0`), in the order of
 * the text. The planner and the executor parse the text separately, and identify a fragment by this name.
 */
export function nameDeferred(definition: Definition): Map<ASTNode, string> {
  const names = new Map<ASTNode, string>();
  const prefix = definition.kind === Kind.FRAGMENT_DEFINITION ? definition.name.value : '';
  const add = (node: Fragment) => {
    if (findDefer(node)) names.set(node, `${prefix}:${names.size}`);
  };
  visit(definition, { InlineFragment: add, FragmentSpread: add });
  return names;
}

/** Reads the name of a deferred fragment from a label in the plan: `F:0` from `F:0#3`. See `separateDeferred`. */
export function nameOfLabel(label: string): string {
  return label.slice(0, label.lastIndexOf('#'));
}

/** Returns the client's label of a deferred fragment; null if it has none. */
export function readLabel(node: Fragment): string | null {
  const label = findDefer(node)?.arguments?.find(({ name }) => name.value === 'label')?.value;
  return label?.kind === Kind.STRING ? label.value : null;
}

/** Whether a fragment has a `@defer` whose `if` is absent or true. */
export function isDeferred(node: Fragment, conditions: Conditions): boolean {
  const directive = findDefer(node);
  if (!directive) return false;
  const condition = conditionOf(directive);
  return !condition || isTrue(condition, conditions);
}

/**
 * Prepares `@defer` for the planner. `@defer(if: $x, label: "mine")` becomes `@defer(label: ":0")`, where `:0` is the
 * name that `nameDeferred` gives the fragment. A `@defer` whose `if` is false is removed.
 *
 * @param isWanted whether the client accepts deferred parts. If not, every `@defer` is removed
 * @returns the document, and whether any `@defer` remains
 */
export function resolveDeferred(document: DocumentNode, conditions: Conditions, isWanted: boolean) {
  const names = new Map<ASTNode, string>();
  for (const node of document.definitions)
    if (node.kind === Kind.OPERATION_DEFINITION || node.kind === Kind.FRAGMENT_DEFINITION)
      for (const [fragment, name] of nameDeferred(node)) names.set(fragment, name);
  if (names.size === 0) return { document, hasDeferred: false };
  let hasDeferred = false;
  const resolve = <T extends Fragment>(node: T): T | undefined => {
    const name = names.get(node);
    if (name === undefined) return undefined;
    const isActive = isWanted && isDeferred(node, conditions);
    hasDeferred ||= isActive;
    return withLabel(node, isActive ? name : null);
  };
  const resolved = visit(document, {
    InlineFragment: (node) => resolve(node),
    FragmentSpread: (node) => resolve(node),
  });
  return { document: resolved, hasDeferred };
}

/**
 * Gives each deferred fragment of an operation a label with a number, such as `F:0#3`. The planner treats deferred
 * fragments with equal labels as one fragment. Each spread of a named fragment that contains `@defer` becomes an inline
 * fragment, to get labels of its own.
 */
export function separateDeferred(document: DocumentNode, operation: OperationDefinitionNode): DocumentNode {
  const fragments = new Map(
    document.definitions.flatMap((node) =>
      node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node] as const] : [],
    ),
  );
  const deferring = findDeferring(fragments);
  if (deferring.size === 0 && nameDeferred(operation).size === 0) return document;
  let count = 0;
  const separateNode = (node: SelectionNode): SelectionNode => {
    if (node.kind === Kind.FIELD)
      return node.selectionSet ? { ...node, selectionSet: separate(node.selectionSet) } : node;
    const name = readLabel(node);
    const labelled = name === null ? node : withLabel(node, `${name}#${count++}`);
    if (labelled.kind === Kind.INLINE_FRAGMENT) return { ...labelled, selectionSet: separate(labelled.selectionSet) };
    const fragment = deferring.has(labelled.name.value) ? fragments.get(labelled.name.value) : undefined;
    if (!fragment) return labelled;
    const { directives } = labelled;
    const { typeCondition, selectionSet } = fragment;
    return {
      kind: Kind.INLINE_FRAGMENT,
      typeCondition,
      ...(directives && { directives }),
      selectionSet: separate(selectionSet),
    };
  };
  const separate = (set: SelectionSetNode): SelectionSetNode => ({
    ...set,
    selections: set.selections.map(separateNode),
  });
  const separated = { ...operation, selectionSet: separate(operation.selectionSet) };
  return { ...document, definitions: document.definitions.map((node) => (node === operation ? separated : node)) };
}

/** Finds the named fragments that contain a deferred fragment, directly or through spreads. */
function findDeferring(fragments: ReadonlyMap<string, FragmentDefinitionNode>): ReadonlySet<string> {
  const found = new Map<string, boolean>();
  const check = (name: string): boolean => {
    const known = found.get(name);
    if (known !== undefined) return known;
    found.set(name, false);
    const fragment = fragments.get(name);
    const isDeferring = fragment !== undefined && (nameDeferred(fragment).size > 0 || spreadsOf(fragment).some(check));
    found.set(name, isDeferring);
    return isDeferring;
  };
  return new Set([...fragments.keys()].filter(check));
}

function spreadsOf(fragment: FragmentDefinitionNode): string[] {
  const names: string[] = [];
  visit(fragment, { FragmentSpread: ({ name }) => void names.push(name.value) });
  return names;
}

/** Replaces the arguments of `@defer` with a label. If the label is null, removes the directive. */
function withLabel<T extends Fragment>(node: T, label: string | null): T {
  const others = node.directives?.filter(({ name }) => name.value !== 'defer') ?? [];
  if (label === null) return { ...node, directives: others };
  const directive: DirectiveNode = {
    kind: Kind.DIRECTIVE,
    name: { kind: Kind.NAME, value: 'defer' },
    arguments: [
      {
        kind: Kind.ARGUMENT,
        name: { kind: Kind.NAME, value: 'label' },
        value: { kind: Kind.STRING, value: label },
      },
    ],
  };
  return { ...node, directives: [...others, directive] };
}

function findDefer({ directives }: Fragment): DirectiveNode | undefined {
  return directives?.find(({ name }) => name.value === 'defer');
}
