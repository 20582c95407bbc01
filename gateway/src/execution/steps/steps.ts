import type {
  FetchDataKeyRenamer,
  FetchDataRewrite,
  FetchNode,
  PlanNode,
  QueryPlanSelectionNode,
} from '@apollo/query-planner';
import type { GraphQLSchema } from 'graphql';
import type { Conditions } from '../../request/variables.ts';
import { type PlanPath, readPlanPath } from '../data/paths.ts';

/** One request to a subgraph. */
export interface Step {
  subgraph: string;
  /** The request's GraphQL text. */
  query: string;
  operationName: string | undefined;
  /** Names of the client's variables that the request uses. */
  variables: readonly string[];
  /** Indexes of the steps that must be done before this one. */
  after: readonly number[];
  /** The deferred part that needs the request, by its label in the plan; null for the primary part. */
  part: string | null;
  /** The entities that this step fetches; null for a step of root fields, which need no representations. */
  entities: readonly EntityFetch[] | null;
  /** For a step of root fields: the path in the merged data at which the fields are added. */
  path: PlanPath;
  outputRewrites: readonly FetchDataRewrite[] | undefined;
  /** Variables whose values come from objects around the entity (`@fromContext`); null if there are none. */
  context: readonly FetchDataKeyRenamer[] | null;
}

/** One `_entities` field of a request. */
export interface EntityFetch {
  /** The response key of the `_entities` field. */
  key: string;
  /** The variable for the representations. */
  variable: string;
  targets: readonly EntityTarget[];
  /**
   * A key for sharing entities: equal for all fetches of a plan that get the same fields from the same subgraph. Null if
   * no other fetch of the plan gets these fields.
   */
  sharedAs: string | null;
}

/** The objects at a path in the merged data. An entity fetch adds fields to them. */
export interface EntityTarget {
  path: PlanPath;
  requires: readonly QueryPlanSelectionNode[];
  inputRewrites: readonly FetchDataRewrite[] | undefined;
  outputRewrites: readonly FetchDataRewrite[] | undefined;
}

/**
 * Lists the requests of a plan. In the list, each request comes after the requests that it waits for.
 *
 * @param schema the schema of the supergraph, with the types that clients do not see
 * @param conditions values of the variables that the plan's conditions use
 */
export function listSteps(schema: GraphQLSchema, node: PlanNode | undefined, conditions: Conditions): Step[] {
  const steps: Step[] = [];
  /**
   * Indexes of steps by the id of their fetch in the plan. Deferred parts use these ids to name the fetches that they
   * depend on.
   */
  const known = new Map<string, number[]>();
  /** Adds the steps of a node. Returns the indexes of the steps that the next node of a sequence waits for. */
  const add = (
    node: PlanNode,
    path: PlanPath,
    after: readonly number[],
    part: string | null = null,
  ): readonly number[] => {
    switch (node.kind) {
      case 'Sequence':
        return node.nodes.reduce((before, next) => add(next, path, before, part), after);
      case 'Parallel': {
        const ends = new Set(node.nodes.flatMap((each) => add(each, path, after, part)));
        return ends.size > 0 ? [...ends] : after;
      }
      case 'Flatten':
        return add(node.node, [...path, ...readPlanPath(schema, node.path)], after, part);
      case 'Condition': {
        const chosen = conditions[node.condition] === true ? node.ifClause : node.elseClause;
        return chosen ? add(chosen, path, after, part) : after;
      }
      case 'Fetch':
        if (node.id !== undefined) known.set(node.id, [...(known.get(node.id) ?? []), steps.length]);
        steps.push(toStep(node, path, after, part));
        return [steps.length - 1];
      case 'Defer': {
        const ends = node.primary.node ? add(node.primary.node, path, after, part) : after;
        for (const { node: deferred, label, depends } of node.deferred)
          if (deferred) add(deferred, path, findDepended(depends), label ?? null);
        return ends;
      }
    }
  };
  // Unknown ids are skipped, because the planner also names fetches that it has removed from the plan.
  const findDepended = (depends: readonly { id: string }[]): number[] =>
    depends.flatMap(({ id }) => known.get(id) ?? []);
  if (node) add(node, [], []);
  return steps;
}

function toStep(fetch: FetchNode, path: PlanPath, after: readonly number[], part: string | null): Step {
  const { serviceName, operation, operationName, variableUsages, requires } = fetch;
  const { inputRewrites, outputRewrites, contextRewrites = [] } = fetch;
  const contextual = new Set(contextRewrites.map(({ renameKeyTo }) => renameKeyTo));
  return {
    subgraph: serviceName,
    query: operation,
    operationName,
    variables: (variableUsages ?? []).filter((name) => !contextual.has(name)),
    after,
    part,
    entities: requires
      ? [
          {
            key: '_entities',
            variable: 'representations',
            targets: [{ path, requires, inputRewrites, outputRewrites }],
            sharedAs: null,
          },
        ]
      : null,
    path: requires ? [] : path,
    outputRewrites: requires ? undefined : outputRewrites,
    context: contextRewrites.length > 0 ? contextRewrites : null,
  };
}
