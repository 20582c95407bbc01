import type {
  FetchDataRewrite,
  FetchNode,
  PlanNode,
  QueryPlanSelectionNode,
  SubscriptionNode,
} from '@apollo/query-planner';
import { type GraphQLSchema, Kind, parse, print, stripIgnoredCharacters, visit } from 'graphql';
import type { SupergraphWithRequiredFields } from './required-arguments.ts';
import { createFetchSplitter } from './split-fetch.ts';

type Requires = readonly QueryPlanSelectionNode[];

/**
 * Creates the function that removes added fields from a plan. `separateRequiredFields` has added these fields to the
 * planner's schema, for example `price__required0` for `price(currency: "EUR")`.
 *
 * In a request, the added field becomes an alias: `price__required0: price(currency: "EUR")`. In a representation, the
 * value has the original name `price`. It has room for one `price`. So an entity fetch is split if its fields require
 * `price` with different arguments.
 *
 * @param schema the supergraph
 */
export function createPlanRestorer(supergraph: SupergraphWithRequiredFields, schema: GraphQLSchema) {
  const { required } = supergraph;
  const splitFetch = createFetchSplitter(supergraph, schema);

  const restoreText = (text: string): string => {
    const document = visit(parse(text, { noLocation: true }), {
      Field(node) {
        const field = required.get(node.name.value);
        if (!field) return undefined;
        return {
          ...node,
          alias: node.alias ?? node.name,
          name: { kind: Kind.NAME, value: field.name },
          arguments: field.arguments,
        };
      },
    });
    return stripIgnoredCharacters(print(document));
  };
  const renamersOf = (requires: Requires, path: readonly string[]): FetchDataRewrite[] =>
    requires.flatMap((node) => {
      if (node.kind === 'InlineFragment') {
        const on = node.typeCondition === undefined ? [] : [`... on ${node.typeCondition}`];
        return renamersOf(node.selections, [...path, ...on]);
      }
      const key = node.alias ?? node.name;
      const field = required.get(node.name);
      // Subfields are renamed first, because the paths in their renamers still contain the added name of this field.
      const below = renamersOf(node.selections ?? [], [...path, key]);
      return field ? [...below, { kind: 'KeyRenamer', path: [...path, key], renameKeyTo: field.name }] : below;
    });
  const restoreFetch = (fetch: FetchNode): FetchNode => {
    const renamers = renamersOf(fetch.requires ?? [], []);
    return {
      ...fetch,
      operation: restoreText(fetch.operation),
      operationDocumentNode: undefined,
      ...(renamers.length > 0 && { inputRewrites: [...renamers, ...(fetch.inputRewrites ?? [])] }),
    } as FetchNode;
  };
  const restore = (node: PlanNode): PlanNode => {
    switch (node.kind) {
      case 'Sequence':
      case 'Parallel':
        return { ...node, nodes: node.nodes.map(restore) };
      case 'Flatten':
        return { ...node, node: restore(node.node) };
      case 'Fetch': {
        const fetches = splitFetch(node).map(restoreFetch);
        return fetches.length === 1 ? (fetches[0] as FetchNode) : { kind: 'Parallel', nodes: [...fetches] };
      }
      case 'Defer':
        return { ...node, primary: restoreIn(node.primary), deferred: node.deferred.map(restoreIn) };
      default:
        return node;
    }
  };
  const restoreIn = <T extends { node?: PlanNode }>(part: T): T =>
    part.node ? { ...part, node: restore(part.node) } : part;
  return (node: PlanNode | SubscriptionNode | undefined): PlanNode | SubscriptionNode | undefined => {
    if (!node || required.size === 0) return node;
    if (node.kind !== 'Subscription') return restore(node);
    return { ...node, primary: restoreFetch(node.primary), ...(node.rest && { rest: restore(node.rest) }) };
  };
}
