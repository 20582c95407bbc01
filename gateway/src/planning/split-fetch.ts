import type { FetchNode, QueryPlanSelectionNode } from '@apollo/query-planner';
import {
  type FragmentDefinitionNode,
  type GraphQLSchema,
  isAbstractType,
  Kind,
  type OperationDefinitionNode,
  parse,
  print,
  type SelectionNode,
  type SelectionSetNode,
  visit,
} from 'graphql';
import type { SupergraphWithRequiredFields } from './required-arguments.ts';

type Needs = ReadonlyMap<string, string>;
type Requires = readonly QueryPlanSelectionNode[];

/**
 * Creates the function that splits an entity fetch if its fields require one field with different arguments. The reason
 * is that a representation can hold only one value of that field.
 *
 * @param schema the supergraph
 */
export function createFetchSplitter({ required, needs }: SupergraphWithRequiredFields, schema: GraphQLSchema) {
  /**
   * Returns the fields that `separateRequiredFields` has added for the requirements of a field. For a field of an
   * abstract type, they include the added fields for all its object types.
   */
  const needsOf = (subgraph: string, typeName: string, field: string): Needs => {
    const type = schema.getType(typeName);
    const types = isAbstractType(type)
      ? [typeName, ...schema.getPossibleTypes(type).map(({ name }) => name)]
      : [typeName];
    return new Map(types.flatMap((name) => [...(needs.get(`${subgraph} ${name}.${field}`) ?? [])]));
  };

  return (fetch: FetchNode): readonly FetchNode[] => {
    const { serviceName, requires, operation: text } = fetch;
    if (!requires || !hasVariants(pathsOf(requires, required))) return [fetch];
    const [operation, ...fragments] = parse(text, { noLocation: true }).definitions;
    const entities = (operation as OperationDefinitionNode).selectionSet.selections[0];
    if (entities?.kind !== Kind.FIELD || !entities.selectionSet) return [fetch];
    const items = listFields(entities.selectionSet, fragments as FragmentDefinitionNode[], []);
    const groups: { needs: Map<string, string>; items: FieldItem[] }[] = [];
    for (const item of items) {
      const own = needsOf(serviceName, item.on.at(-1) ?? '', item.name);
      const fits = groups.find((group) => [...own].every(([path, name]) => (group.needs.get(path) ?? name) === name));
      const group = fits ?? { needs: new Map<string, string>(), items: [] };
      if (!fits) groups.push(group);
      for (const [path, name] of own) group.needs.set(path, name);
      group.items.push(item);
    }
    return groups.map((group) => ({
      ...fetch,
      requires: keepNeeded(requires, group.needs, [], required),
      operation: printEntityFetch(
        operation as OperationDefinitionNode,
        group.items,
        fragments as FragmentDefinitionNode[],
      ),
    }));
  };
}

type Required = SupergraphWithRequiredFields['required'];

/**
 * Finds the added fields in `requires`. The key is the path of the original field. Example: the key `price` has the
 * added fields `price__required0` and `price__required1`.
 */
function pathsOf(requires: Requires, required: Required): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  const walk = (nodes: Requires, path: readonly string[]) => {
    for (const node of nodes) {
      if (node.kind === 'InlineFragment') {
        walk(node.selections, path);
        continue;
      }
      const below = [...path, required.get(node.name)?.name ?? node.name];
      const key = below.join('.');
      if (required.has(node.name)) found.set(key, (found.get(key) ?? new Set()).add(node.name));
      walk(node.selections ?? [], below);
    }
  };
  walk(requires, []);
  return found;
}

function hasVariants(paths: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  return [...paths.values()].some((names) => names.size > 1);
}

/** Removes from `requires` the fields that `separateRequiredFields` has added, except those in `needs`. */
function keepNeeded(
  requires: Requires,
  needs: Needs,
  path: readonly string[],
  required: Required,
): QueryPlanSelectionNode[] {
  return requires.flatMap((node): QueryPlanSelectionNode[] => {
    if (node.kind === 'InlineFragment')
      return [{ ...node, selections: keepNeeded(node.selections, needs, path, required) }];
    const below = [...path, required.get(node.name)?.name ?? node.name];
    if (required.has(node.name) && needs.get(below.join('.')) !== node.name) return [];
    if (!node.selections) return [node];
    const selections = keepNeeded(node.selections, needs, below, required);
    return selections.length > 0 ? [{ ...node, selections }] : [];
  });
}

/** A selected field of an entity. `on` lists the type conditions of the fragments that contain the field. */
interface FieldItem {
  on: readonly string[];
  name: string;
  node: SelectionNode;
}

function listFields(
  { selections }: SelectionSetNode,
  fragments: readonly FragmentDefinitionNode[],
  on: readonly string[],
): FieldItem[] {
  return selections.flatMap((node): FieldItem[] => {
    if (node.kind === Kind.FIELD) return [{ on, name: node.name.value, node }];
    const fragment =
      node.kind === Kind.INLINE_FRAGMENT ? node : fragments.find(({ name }) => name.value === node.name.value);
    if (!fragment) return [];
    const condition = fragment.typeCondition?.name.value;
    return listFields(fragment.selectionSet, fragments, condition === undefined ? on : [...on, condition]);
  });
}

/**
 * Writes the text of an entity fetch of these fields. The text includes the variables and fragments that the fields
 * use.
 */
function printEntityFetch(
  operation: OperationDefinitionNode,
  items: readonly FieldItem[],
  fragments: readonly FragmentDefinitionNode[],
): string {
  const selections = items.map(({ on, node }) =>
    on.reduceRight<SelectionNode>(
      (inner, condition) => ({
        kind: Kind.INLINE_FRAGMENT,
        typeCondition: { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: condition } },
        selectionSet: { kind: Kind.SELECTION_SET, selections: [inner] },
      }),
      node,
    ),
  );
  const [entities] = operation.selectionSet.selections;
  const set = { kind: Kind.SELECTION_SET as const, selections };
  const used = new Set<string>();
  const spread = new Set<string>();
  const collect = (node: SelectionSetNode | SelectionNode) =>
    visit(node, {
      Variable: ({ name }) => void used.add(name.value),
      FragmentSpread({ name }) {
        if (spread.has(name.value)) return;
        spread.add(name.value);
        const fragment = fragments.find((each) => each.name.value === name.value);
        if (fragment) collect(fragment.selectionSet);
      },
    });
  collect({ kind: Kind.SELECTION_SET, selections: [{ ...entities, selectionSet: set } as SelectionNode] });
  return print({
    kind: Kind.DOCUMENT,
    definitions: [
      {
        ...operation,
        variableDefinitions: operation.variableDefinitions?.filter(({ variable }) => used.has(variable.name.value)),
        selectionSet: { ...operation.selectionSet, selections: [{ ...entities, selectionSet: set } as SelectionNode] },
      },
      ...fragments.filter(({ name }) => spread.has(name.value)),
    ],
  });
}
