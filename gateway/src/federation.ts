import { type Schema, Supergraph } from '@apollo/federation-internals';
import { executeQueryPlan, type GraphQLDataSource } from '@apollo/gateway';
import type { QueryPlan } from '@apollo/query-planner';
import type { Log } from '@voucher-gateway/platform/log';
import { apolloLogger } from '@voucher-gateway/platform/subgraph-server';
import { type ExecutionResult, type GraphQLSchema, getVariableValues } from 'graphql';
import type { GatewayContext } from './context.ts';
import { maxNesting, tooComplex } from './operations/limits.ts';
import type { Operation } from './operations/operations.ts';
import { createPlanner, type Planner } from './operations/planning/planner.ts';

/** A data source by subgraph name. */
export type DataSources = Record<string, GraphQLDataSource>;

/** One supergraph: planned in a thread of its own, executed by Apollo's executor. */
export interface Federation extends AsyncDisposable {
  readonly supergraphSdl: string;
  /** What clients see. */
  readonly schema: GraphQLSchema;
  /** Everything, with what is inaccessible to clients, and the supergraph's directives. */
  readonly supergraph: GraphQLSchema;
  readonly dataSources: Readonly<DataSources>;
  readonly planner: Planner;
  /** Executes a query or a mutation. Variables that don't fit their types are errors of the result. */
  execute(operation: Operation, context: GatewayContext): Promise<ExecutionResult>;
  /** Executes a plan of one's own over the data sources given, shaped as the operation asks. */
  executePlan(
    plan: QueryPlan,
    dataSources: DataSources,
    operation: Operation,
    context: GatewayContext,
  ): Promise<ExecutionResult>;
}

export interface FederationOptions {
  supergraphSdl: string;
  /** The data source of a subgraph, by its name in the supergraph. */
  dataSource(name: string): GraphQLDataSource;
  /** Whether faults of a document may name what the schema has instead. Default: true. */
  suggestions?: boolean;
  log: Log;
}

/**
 * Loads a supergraph.
 *
 * @throws Error with every fault of the supergraph, or for a feature that is not supported
 */
export async function createFederation(options: FederationOptions): Promise<Federation> {
  const { supergraphSdl, dataSource, suggestions = true, log } = options;
  const apollo = Supergraph.build(supergraphSdl, { validateSupergraph: process.env.NODE_ENV !== 'production' });
  const apiSchema = apollo.apiSchema();
  const schema = apiSchema.toGraphQLJSSchema();
  const supergraph = apollo.schema.toGraphQLJSSchema();
  const dataSources = Object.fromEntries(apollo.subgraphsMetadata().map(({ name }) => [name, dataSource(name)]));
  const planner = createPlanner({ supergraphSdl, hideSuggestions: !suggestions, log });
  const run = (plan: QueryPlan, sources: DataSources, operation: Operation, context: GatewayContext) =>
    runPlan(plan, sources, operation, { context, schema, supergraph, apiSchema, log });

  return {
    supergraphSdl,
    schema,
    supergraph,
    dataSources,
    planner,
    async execute(operation, context) {
      const { variableDefinitions = [] } = operation.definition;
      const { errors } = getVariableValues(schema, variableDefinitions, operation.variables, {
        hideSuggestions: !suggestions,
      });
      return errors ? { errors } : run(operation.plan, dataSources, operation, context);
    },
    executePlan: run,
    [Symbol.asyncDispose]: () => planner[Symbol.asyncDispose](),
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
  operation: Operation,
  { context, schema, supergraph, apiSchema, log }: RunOptions,
): Promise<ExecutionResult> {
  try {
    const result = await executeQueryPlan(
      plan,
      sources,
      // What the executor reads of Apollo Server's request context.
      { request: { variables: operation.variables }, context, logger: apolloLogger(log), metrics: {} } as never,
      { schema, operation: operation.definition, fragments: operation.fragments },
      supergraph,
      apiSchema,
    );
    return result as ExecutionResult;
  } catch (error) {
    // The executor recurses into fragments that spread each other in a long chain.
    if (error instanceof RangeError) throw tooComplex('nesting', maxNesting);
    throw error;
  }
}
