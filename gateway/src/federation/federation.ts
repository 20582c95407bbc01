import { type Schema, Supergraph } from '@apollo/federation-internals';
import { executeQueryPlan, type GraphQLDataSource } from '@apollo/gateway';
import type { QueryPlan } from '@apollo/query-planner';
import { apolloLogger } from '@voucher-gateway/platform/graphql/apollo';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import {
  type ExecutionResult,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import type { GatewayContext } from '../context.ts';
import { createPlanner as createPlannerThread, type Planner } from '../planning/planner.ts';
import { maxNesting, tooComplex } from '../request/limits.ts';
import { coerceVariables } from '../request/variables.ts';
import { createFailureMask } from './failure-mask.ts';

/** A data source by subgraph name. */
export type DataSources = Record<string, GraphQLDataSource>;

/** What the executor needs of an operation. */
export interface ExecutableOperation {
  definition: OperationDefinitionNode;
  /** The document's fragments, by name. */
  fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  /** As sent by the client: not coerced yet. */
  variables: Readonly<Record<string, unknown>>;
  plan: QueryPlan;
}

/** One supergraph, with its planner thread and its data sources. Disposing waits for running operations. */
export interface Federation extends AsyncDisposable {
  readonly supergraphSdl: string;
  /** The API schema that clients see. */
  readonly schema: GraphQLSchema;
  /** The full schema, with `@inaccessible` elements and the supergraph's directives. */
  readonly supergraph: GraphQLSchema;
  readonly dataSources: Readonly<DataSources>;
  readonly planner: Planner;
  /** Whether error messages may not suggest names of the schema. */
  readonly hideSuggestions: boolean;
  /** Executes a query or a mutation. Throws CodedError BAD_USER_INPUT for variables that don't match their types. */
  execute(operation: ExecutableOperation, context: GatewayContext): Promise<ExecutionResult>;
  /** Executes another plan for an operation, with these data sources. */
  executePlan(
    plan: QueryPlan,
    dataSources: DataSources,
    operation: Omit<ExecutableOperation, 'plan'>,
    context: GatewayContext,
  ): Promise<ExecutionResult>;
}

export interface FederationOptions {
  supergraphSdl: string;
  /** Returns the data source of a subgraph, by its name in the supergraph. It is disposed with the federation. */
  dataSource(name: string): GraphQLDataSource & Partial<AsyncDisposable>;
  /** Whether validation errors may suggest names of the schema. Default: true. */
  suggestions?: boolean;
  /** Creates the supergraph's planner, which is disposed with the federation. Default: one in its own thread. */
  createPlanner?: typeof createPlannerThread;
  log: Log;
}

/**
 * Loads a supergraph.
 *
 * @throws Error with every fault of the supergraph, or for an unsupported feature
 */
export async function createFederation(options: FederationOptions): Promise<Federation> {
  const { supergraphSdl, dataSource, suggestions = true, createPlanner = createPlannerThread, log } = options;
  const apollo = Supergraph.build(supergraphSdl);
  const apiSchema = apollo.apiSchema();
  const schema = apiSchema.toGraphQLJSSchema();
  const supergraph = apollo.schema.toGraphQLJSSchema();
  await using releases = new AsyncDisposableStack();
  const dataSources: DataSources = {};
  for (const { name } of apollo.subgraphsMetadata()) {
    const source = dataSource(name);
    releases.defer(() => source[Symbol.asyncDispose]?.());
    dataSources[name] = source;
  }
  const running = createCounter();
  releases.defer(() => running.untilZero());
  const planner = releases.use(createPlanner({ supergraphSdl, hideSuggestions: !suggestions, log }));
  const owned = releases.move();
  const mask = createFailureMask(log);
  const run = async (
    plan: QueryPlan,
    sources: DataSources,
    operation: Omit<ExecutableOperation, 'plan'>,
    context: GatewayContext,
  ) => {
    running.add(1);
    try {
      const result = await runPlan(plan, sources, operation, { context, schema, supergraph, apiSchema, log });
      return mask.maskResult(result, context);
    } catch (error) {
      throw mask.maskThrown(error, context);
    } finally {
      running.add(-1);
    }
  };

  return {
    supergraphSdl,
    schema,
    supergraph,
    dataSources,
    planner,
    hideSuggestions: !suggestions,
    async execute(operation, context) {
      coerceVariables(schema, operation.definition, operation.variables, !suggestions);
      return run(operation.plan, dataSources, operation, context);
    },
    executePlan: run,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
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

interface RunOptions {
  context: GatewayContext;
  schema: GraphQLSchema;
  supergraph: GraphQLSchema;
  apiSchema: Schema;
  log: Log;
}

async function runPlan(
  plan: QueryPlan,
  sources: DataSources,
  operation: Omit<ExecutableOperation, 'plan'>,
  { context, schema, supergraph, apiSchema, log }: RunOptions,
): Promise<ExecutionResult> {
  try {
    const result = await executeQueryPlan(
      plan,
      sources,
      // The part of Apollo Server's request context that the executor reads.
      { request: { variables: operation.variables }, context, logger: apolloLogger(log), metrics: {} } as never,
      { schema, operation: operation.definition, fragments: operation.fragments },
      supergraph,
      apiSchema,
    );
    return reportUnfitValues(result as ExecutionResult);
  } catch (error) {
    // The executor recurses into chains of fragments.
    if (error instanceof RangeError) throw tooComplex('nesting', maxNesting);
    throw error;
  }
}

/** Reports values that do not match their fields as errors: the executor nulls them, and explains it in an extension. */
function reportUnfitValues({ extensions, ...result }: ExecutionResult): ExecutionResult {
  const unfit = extensions?.valueCompletion as readonly GraphQLError[] | undefined;
  if (!unfit) return result;
  const errors = unfit.slice(0, maxReported).map(
    ({ path }) =>
      new GraphQLError('A subgraph answered a value that does not fit its field.', {
        path,
        extensions: { code: 'SUBGRAPH_INVALID_RESPONSE' satisfies PublicErrorCode },
      }),
  );
  return { ...result, errors: [...(result.errors ?? []), ...errors] };
}

const maxReported = 100;
