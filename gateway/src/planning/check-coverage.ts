import type { FetchNode, PlanNode, SubscriptionNode } from '@apollo/query-planner';
import {
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isListType,
  isNonNullType,
  isUnionType,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
} from 'graphql';
import { readFetchPath } from './fetch-paths.ts';
import type { PlanError } from './plan.ts';

export interface CoverageOptions {
  /** The API schema. */
  schema: GraphQLSchema;
  /** The operation that was planned, without the selections that `@skip` and `@include` exclude. */
  operation: OperationDefinitionNode;
  fragments: readonly FragmentDefinitionNode[];
  plan: PlanNode | SubscriptionNode | undefined;
}

/**
 * Finds the fields of an operation that its plan does not fetch. The planner silently leaves out fields that it can't
 * reach in any subgraph. Fields in a fragment are not reported if its type is narrower than the enclosing type. The
 * subgraph may never return that narrower type.
 */
export function findUnreachable({ schema, operation, fragments, plan }: CoverageOptions): PlanError[] {
  const fetched = new Set<string>();
  if (plan) collectFetched(plan, [], fetched);
  const errors = new Map<string, PlanError>();
  /**
   * The named fragments that were checked, each with the path at which it was spread. A fragment is checked once per
   * path, because some operations spread a fragment millions of times.
   */
  const checked = new Set<string>();

  const check = (
    type: GraphQLCompositeType,
    set: SelectionSetNode,
    keys: readonly string[],
    path: readonly string[],
  ) => {
    for (const node of set.selections) {
      if (node.kind === Kind.FIELD) {
        const definition = isUnionType(type) ? undefined : type.getFields()[node.name.value];
        // `__typename` and introspection fields have no definition here, and need no fetch.
        if (!definition) continue;
        const key = (node.alias ?? node.name).value;
        const below = [...keys, key];
        if (!fetched.has(below.join())) {
          errors.set(below.join(), unreachable([...path, key], `${type.name}.${node.name.value}`));
          continue;
        }
        const named = getNamedType(definition.type);
        const lists = Array.from({ length: listDepth(definition.type) }, () => '@');
        if (node.selectionSet && isCompositeType(named))
          check(named, node.selectionSet, below, [...path, key, ...lists]);
        continue;
      }
      if (node.kind === Kind.FRAGMENT_SPREAD && isSeen(checked, node.name.value, keys)) continue;
      const fragment =
        node.kind === Kind.INLINE_FRAGMENT ? node : fragments.find(({ name }) => name.value === node.name.value);
      const condition = fragment?.typeCondition?.name.value ?? type.name;
      const on = schema.getType(condition);
      const isWider =
        condition === type.name || (isAbstractType(on) && !isUnionType(type) && schema.isSubType(on, type));
      if (fragment && isWider) check(type, fragment.selectionSet, keys, path);
    }
  };
  const root = schema.getRootType(operation.operation);
  if (root) check(root, operation.selectionSet, [], []);
  return [...errors.values()];
}

const unreachable = (path: readonly string[], field: string): PlanError => ({
  code: 'FIELD_UNREACHABLE',
  message: `No subgraph can be asked for ${field} here.`,
  path,
});

/** Collects the paths of response keys that a plan fetches. */
function collectFetched(node: PlanNode | SubscriptionNode, path: readonly string[], fetched: Set<string>): void {
  switch (node.kind) {
    case 'Subscription':
      collectFetched(node.primary, path, fetched);
      if (node.rest) collectFetched(node.rest, path, fetched);
      return;
    case 'Sequence':
    case 'Parallel':
      for (const each of node.nodes) collectFetched(each, path, fetched);
      return;
    case 'Flatten': {
      const keys = readFetchPath(node.path).filter((step) => typeof step === 'string' && step !== '@') as string[];
      collectFetched(node.node, [...path, ...keys], fetched);
      return;
    }
    case 'Fetch':
      collectFields(node, path, fetched);
      return;
    case 'Defer':
      for (const each of [node.primary, ...node.deferred]) if (each.node) collectFetched(each.node, path, fetched);
      return;
    default:
  }
}

function collectFields(
  { operation: text, requires, outputRewrites = [] }: FetchNode,
  path: readonly string[],
  fetched: Set<string>,
) {
  const { definitions } = parse(text, { noLocation: true });
  const operation = definitions.find((node) => node.kind === Kind.OPERATION_DEFINITION);
  const fragments = new Map(
    definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node] as const] : [])),
  );
  const renamed = new Map(
    outputRewrites.flatMap((rewrite) =>
      rewrite.kind === 'KeyRenamer'
        ? [[rewrite.path.filter((step) => !step.startsWith('...')).join(), rewrite.renameKeyTo] as const]
        : [],
    ),
  );
  const collected = new Set<string>();
  const collect = (set: SelectionSetNode, own: readonly string[], at: readonly string[]) => {
    for (const node of set.selections) {
      if (node.kind === Kind.FIELD) {
        const key = (node.alias ?? node.name).value;
        const below = [...own, key];
        const client = [...at, renamed.get(below.join()) ?? key];
        fetched.add(client.join());
        if (node.selectionSet) collect(node.selectionSet, below, client);
        continue;
      }
      if (node.kind === Kind.FRAGMENT_SPREAD && isSeen(collected, node.name.value, own)) continue;
      const fragment = node.kind === Kind.INLINE_FRAGMENT ? node : fragments.get(node.name.value);
      if (fragment) collect(fragment.selectionSet, own, at);
    }
  };
  if (!operation) return;
  const [root] = operation.selectionSet.selections;
  const set = requires && root?.kind === Kind.FIELD ? root.selectionSet : operation.selectionSet;
  if (set) collect(set, [], path);
}

/** Returns whether a fragment was seen at this path before, and marks it as seen. */
function isSeen(seen: Set<string>, fragment: string, keys: readonly string[]): boolean {
  const key = `${fragment} ${keys.join()}`;
  if (seen.has(key)) return true;
  seen.add(key);
  return false;
}

function listDepth(type: GraphQLOutputType): number {
  if (isNonNullType(type)) return listDepth(type.ofType);
  return isListType(type) ? 1 + listDepth(type.ofType) : 0;
}
