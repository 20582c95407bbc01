import type { GraphQLDataSource } from '@apollo/gateway';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { FragmentDefinitionNode, GraphQLSchema, OperationDefinitionNode } from 'graphql';
import type { GatewayContext } from '../context.ts';
import { type CompiledOperation, compileOperation } from '../execution/compile-operation.ts';
import { copyData, type Data } from '../execution/data/data.ts';
import { applyRewrites } from '../execution/fetch/rewrites.ts';
import type { Subgraphs } from '../execution/fetch/run.ts';
import type { DeferredChunk } from '../execution/response/deferred-parts.ts';
import { JsonResult } from '../execution/response/json-result.ts';
import { maxKeptFields } from '../execution/response/memory.ts';
import type { ResponseLimit } from '../execution/response/output.ts';
import type { Subgraph } from '../execution/subgraph/subgraph.ts';
import type { Plan, PlanVariant } from '../planning/plan.ts';
import { createPlanner as createPlannerThread, type Planner } from '../planning/planner.ts';
import { maxNesting, tooComplex } from '../request/limits.ts';
import { type Conditions, coerceVariables } from '../request/variables.ts';
import { readAccessRules } from '../supergraph/access-rules.ts';
import { type GrantClaims, readGrants } from '../supergraph/grants.ts';
import { readOverrides } from '../supergraph/override-labels.ts';
import { readSupergraph, toClientSchema } from '../supergraph/read-supergraph.ts';
import { asSubgraph } from './data-source.ts';
import { createFailureMask } from './failure-mask.ts';

/** The part of an operation that the executor needs. */
export interface ExecutableOperation {
  definition: OperationDefinitionNode;
  /** The document's fragments, by name. */
  fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  /** The variables as the client sent them, before coercion. */
  variables: Readonly<Record<string, unknown>>;
  /** Values of the variables that `@skip` and `@include` depend on. A plan is valid only for these values. */
  conditions: Conditions;
  /** Number of selections, with fragments expanded. */
  selections: number;
  /** The plan, which is compiled when it is first executed. */
  plan: Plan;
}

/** One supergraph, with its planner thread and its data sources. Disposing waits for running operations. */
export interface Federation extends AsyncDisposable {
  readonly supergraphSdl: string;
  /** The API schema that clients see. */
  readonly schema: GraphQLSchema;
  /** The full schema, with `@inaccessible` elements and the supergraph's directives. */
  readonly supergraph: GraphQLSchema;
  readonly subgraphs: Subgraphs;
  readonly planner: Planner;
  /**
   * Returns the inputs of planning other than the operation: the active `@override` labels, and the client's scopes and
   * policies.
   */
  planVariant(context: GatewayContext): PlanVariant;
  /** Whether error messages omit suggestions (`Did you mean "id"?`), which reveal names of the schema. */
  readonly hideSuggestions: boolean;
  /**
   * Executes a query or a mutation.
   *
   * @throws CodedError BAD_USER_INPUT for variables that don't match their types; OPERATION_TOO_COMPLEX for a response that
   *   exceeds the limit or is nested too deeply
   */
  execute(operation: ExecutableOperation, context: GatewayContext, limit?: ResponseLimit): Promise<JsonResult>;
  /**
   * Executes a subscription for one event.
   *
   * @param event the event's data, which replaces the subgraph's response for the Subscription field
   */
  executeEvent(operation: ExecutableOperation, event: Data, context: GatewayContext): Promise<JsonResult>;
}

export interface FederationOptions {
  supergraphSdl: string;
  /**
   * Returns the data source of a subgraph, by its name in the supergraph. The data source is disposed with the
   * federation.
   */
  dataSource(name: string): (Subgraph | GraphQLDataSource) & Partial<AsyncDisposable>;
  /** Whether validation errors may suggest names of the schema. Default: true. */
  suggestions?: boolean;
  /**
   * The `@override` labels that are active for all requests. A label such as `percent(5)` is active for 5 % of the
   * requests without an entry. Default: none.
   */
  overrideLabels?: readonly string[];
  /** Authorisation by `@authenticated`, `@requiresScopes` and `@policy`. */
  authorization?: AuthorizationOptions;
  /**
   * Creates the supergraph's planner, which is disposed with the federation. Default: a planner that runs in a separate
   * thread.
   */
  createPlanner?: typeof createPlannerThread;
  log: Log;
}

export interface AuthorizationOptions extends Partial<GrantClaims> {
  /** Whether to refuse operations with fields that the client may not see. Default: false, these fields are null. */
  rejectUnauthorized?: boolean;
}

/**
 * Loads a supergraph.
 *
 * @throws Error with every fault of the supergraph, or for an unsupported feature
 */
export async function createFederation(options: FederationOptions): Promise<Federation> {
  const { supergraphSdl, dataSource, suggestions = true, createPlanner = createPlannerThread, log } = options;
  const { overrideLabels = [], authorization = {} } = options;
  const { scopes = 'scope', policies = null, rejectUnauthorized = false } = authorization;
  const apollo = readSupergraph(supergraphSdl);
  const schema = toClientSchema(apollo.apiSchema());
  const supergraph = apollo.schema.toGraphQLJSSchema();
  const accessRules = readAccessRules(apollo);
  const chooseOverrides = readOverrides(apollo, { labels: overrideLabels });
  await using releases = new AsyncDisposableStack();
  const subgraphs: Record<string, Subgraph> = {};
  for (const { name } of apollo.subgraphsMetadata()) {
    const source = dataSource(name);
    releases.defer(() => source[Symbol.asyncDispose]?.());
    subgraphs[name] = asSubgraph(source, name);
  }
  const running = createCounter();
  releases.defer(() => running.untilZero());
  const planner = releases.use(
    createPlanner({ supergraphSdl, hideSuggestions: !suggestions, rejectUnauthorized, log }),
  );
  const owned = releases.move();
  const mask = createFailureMask(log);
  /** A WeakMap, so that a compiled operation is released when the cache evicts its plan. */
  const compiled = new WeakMap<Plan, CompiledOperation>();
  const compile = (operation: ExecutableOperation): CompiledOperation => {
    const { plan, selections, ...rest } = operation;
    const known = compiled.get(plan);
    if (known) return known;
    const { node } = plan;
    const fetches = node?.kind === 'Subscription' ? node.rest : node;
    const fresh = compileOperation({
      ...rest,
      plan: fetches,
      renamedKeys: plan.renamedKeys,
      hiddenFields: plan.hiddenFields,
      planErrors: plan.errors,
      hasDeferred: plan.hasDeferred === true,
      schema,
      supergraph,
      maxFields: maxKeptFields(selections),
    });
    compiled.set(plan, fresh);
    return fresh;
  };
  const run = async (
    operation: ExecutableOperation,
    context: GatewayContext,
    limit: ResponseLimit | null,
    data?: Data,
  ): Promise<JsonResult> => {
    running.add(1);
    let settled: Promise<unknown> | null = null;
    try {
      const { definition, variables } = operation;
      // Events skip this check: the variables were checked when the client subscribed.
      if (!data) coerceVariables(schema, definition, variables, !suggestions);
      const result = await compile(operation).execute({ subgraphs, variables, context, limit }, data);
      const { dataJson, errors, deferred } = result;
      if (!deferred) return errors ? new JsonResult(dataJson, mask.maskErrors(errors, context)) : result;
      settled = deferred.settled;
      const chunks = maskChunks(deferred.chunks, context);
      return new JsonResult(dataJson, mask.maskErrors(errors ?? [], context), { chunks, settled });
    } catch (error) {
      throw mask.maskThrown(asExecutionError(error), context);
    } finally {
      if (settled) settled.finally(() => running.add(-1)).catch(() => {});
      else running.add(-1);
    }
  };
  async function* maskChunks(chunks: AsyncIterable<DeferredChunk>, context: GatewayContext) {
    try {
      for await (const { parts, hasNext } of chunks)
        yield { parts: parts.map((part) => ({ ...part, errors: mask.maskErrors(part.errors, context) })), hasNext };
    } catch (error) {
      throw mask.maskThrown(asExecutionError(error), context);
    }
  }

  return {
    supergraphSdl,
    schema,
    supergraph,
    subgraphs,
    planner,
    planVariant({ identity }) {
      const overrides = chooseOverrides();
      if (!accessRules) return overrides.length === 0 ? onlyVariant : { key: overrides.join(), overrides };
      const grants = readGrants(accessRules, { scopes, policies }, identity?.claims ?? null);
      return { key: JSON.stringify([overrides, grants]), overrides, grants };
    },
    hideSuggestions: !suggestions,
    execute: (operation, context, limit) => run(operation, context, limit ?? null),
    executeEvent: (operation, event, context) => run(operation, context, null, readEvent(operation, supergraph, event)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * A RangeError means that the recursive executor exceeded the stack, because fragments or data are nested too deeply.
 */
function asExecutionError(error: unknown): unknown {
  return error instanceof RangeError ? tooComplex('nesting', maxNesting) : error;
}

const onlyVariant: PlanVariant = { key: '', overrides: [] };

/**
 * Copies an event, and applies the output rewrites of the plan's Subscription field. The original event must not
 * change, because several operations use it.
 */
function readEvent({ plan: { node } }: ExecutableOperation, supergraph: GraphQLSchema, event: Data): Data {
  const data = copyData(event, () => {});
  if (node?.kind === 'Subscription') applyRewrites(supergraph, node.primary.outputRewrites, data);
  return data;
}

/** Counts running operations. */
function createCounter() {
  let count = 0;
  let onZero: (() => void)[] = [];
  return {
    add(change: 1 | -1) {
      count += change;
      if (count > 0) return;
      for (const resolve of onZero) resolve();
      onZero = [];
    },
    untilZero: () => new Promise<void>((resolve) => (count === 0 ? resolve() : onZero.push(resolve))),
  };
}
