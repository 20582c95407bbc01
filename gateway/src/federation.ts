import { createHash } from 'node:crypto';
import { operationFromDocument, type Schema, Supergraph } from '@apollo/federation-internals';
import { ApolloGateway, executeQueryPlan, type GraphQLDataSource } from '@apollo/gateway';
import { type QueryPlan, QueryPlanner } from '@apollo/query-planner';
import type { GatewayInterface } from '@apollo/server-gateway-interface';
import type { Log } from '@voucher-gateway/platform/log';
import { apolloLogger } from '@voucher-gateway/platform/subgraph-server';
import { type PublicErrorCode, statusOf } from '@voucher-gateway/schema/error-codes';
import {
  type DocumentNode,
  type ExecutionResult,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  print,
} from 'graphql';
import type { GatewayContext } from './context.ts';
import { isPublicOperation } from './operations/public-fields.ts';

/** An operation whose document has passed validation against `Federation.schema`. */
export interface Operation {
  document: DocumentNode;
  operationName?: string | null;
  variables?: Record<string, unknown> | null;
}

/** A data source by subgraph name. */
export type DataSources = Record<string, GraphQLDataSource>;

/** The supergraph as the gateway serves it: planned and executed by Apollo's packages. */
export interface Federation extends AsyncDisposable {
  /** To give to ApolloServer as its gateway: loaded already, and stopped by whoever made the federation. */
  asGateway(): GatewayInterface;
  /** What clients see. */
  readonly schema: GraphQLSchema;
  /** Everything, with what is inaccessible to clients, and the supergraph's directives. */
  readonly supergraph: GraphQLSchema;
  readonly dataSources: Readonly<DataSources>;
  /** Executes a query or a mutation. */
  execute(operation: Operation, context: GatewayContext): Promise<ExecutionResult>;
  /** Plans an operation of any kind, once for each document object. */
  plan(operation: Operation): QueryPlan;
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
  log: Log;
}

/**
 * Loads a supergraph into `@apollo/gateway`.
 *
 * @throws Error with every fault of the supergraph
 */
export async function createFederation({ supergraphSdl, dataSource, log }: FederationOptions): Promise<Federation> {
  // The package sends usage figures unless told not to, and reads this when a gateway loads.
  process.env.APOLLO_TELEMETRY_DISABLED = '1';
  const dataSources: DataSources = {};
  const apollo = new ApolloGateway({
    supergraphSdl,
    buildService: ({ name }) => {
      dataSources[name] ??= dataSource(name);
      return dataSources[name];
    },
    logger: apolloLogger(log.child({ part: 'federation' })),
    __exposeQueryPlanExperimental: false,
  });
  const { executor, schema } = await apollo.load();
  // ApolloGateway keeps its planner to itself; subscriptions need one of their own.
  const supergraph = Supergraph.build(supergraphSdl);
  const planner = new QueryPlanner(supergraph);
  const apiSchema = supergraph.apiSchema();
  const supergraphSchema = supergraph.schema.toGraphQLJSSchema();

  const planned = new WeakMap<DocumentNode, Map<string, QueryPlan>>();
  const buildPlan = ({ document, operationName }: Operation) =>
    planner.buildQueryPlan(operationFromDocument(apiSchema, document, { operationName: operationName ?? undefined }));

  return {
    asGateway: () => ({
      onSchemaLoadOrUpdate(callback) {
        callback({ apiSchema: schema, coreSupergraphSdl: supergraphSdl });
        return () => {};
      },
      load: async () => ({
        executor: async (requestContext) => {
          const { document, request } = requestContext;
          const refusal =
            unresolvedOperation(document, request.operationName) ??
            refusedToken(requestContext, supergraphSchema) ??
            subscriptionOverHttp(requestContext);
          return refusal ? { errors: [refusal] } : executor(requestContext);
        },
      }),
      stop: async () => {},
    }),
    schema,
    supergraph: supergraphSchema,
    dataSources,
    execute: async (operation, context) =>
      (await executor(requestContext(operation, context, schema, log) as never)) as ExecutionResult,
    plan(operation) {
      // A document is one object for all who send its text; a plan lives as long as that.
      const plans = planned.get(operation.document) ?? new Map<string, QueryPlan>();
      planned.set(operation.document, plans);
      const name = operation.operationName ?? '';
      const plan = plans.get(name) ?? buildPlan(operation);
      plans.set(name, plan);
      return plan;
    },
    executePlan: (plan, sources, operation, context) =>
      run(plan, sources, operation, { context, schema, supergraphSchema, apiSchema, log }),
    [Symbol.asyncDispose]: () => apollo.stop(),
  };
}

/** The error of a document that has no operation of this name, or several and no name is given; else null. */
export function unresolvedOperation(document: DocumentNode, operationName?: string | null): GraphQLError | null {
  if (getOperationAST(document, operationName)) return null;
  const message = operationName
    ? `The document has no operation named ${JSON.stringify(operationName)}.`
    : 'The document has several operations: name one in operationName.';
  return new GraphQLError(message, {
    extensions: { code: 'OPERATION_RESOLUTION_FAILURE' satisfies PublicErrorCode, http: { status: 400 } },
  });
}

/** Why an operation's token was refused, with the code's HTTP status; null where it may go on. */
function refusedToken(
  { operation, document, context }: { operation: OperationDefinitionNode; document: DocumentNode; context: unknown },
  supergraphSchema: GraphQLSchema,
): GraphQLError | null {
  const { refusal } = context as GatewayContext;
  if (!refusal || isPublicOperation(supergraphSchema, operation, fragmentsOf(document))) return null;
  const { code, message, retryable, details } = refusal;
  return new GraphQLError(message, {
    extensions: { ...details, code, ...(retryable && { retryable }), http: { status: statusOf(code) } },
  });
}

function subscriptionOverHttp({ operation }: { operation: OperationDefinitionNode }): GraphQLError | null {
  if (operation.operation !== OperationTypeNode.SUBSCRIPTION) return null;
  return new GraphQLError(
    'Subscriptions are served here over WebSocket (graphql-transport-ws), as text/event-stream, and as multipart/mixed;subscriptionSpec=1.0: ask for one of them by the accept header.',
    { extensions: { code: 'BAD_REQUEST' satisfies PublicErrorCode, http: { status: 400 } } },
  );
}

interface RunOptions {
  context: GatewayContext;
  schema: GraphQLSchema;
  supergraphSchema: GraphQLSchema;
  apiSchema: Schema;
  log: Log;
}

async function run(
  plan: QueryPlan,
  sources: DataSources,
  operation: Operation,
  options: RunOptions,
): Promise<ExecutionResult> {
  const { context, schema, supergraphSchema, apiSchema, log } = options;
  const definition = getOperationAST(operation.document, operation.operationName);
  if (!definition) throw new Error('the document has no such operation');
  const result = await executeQueryPlan(
    plan,
    sources,
    requestContext(operation, context, schema, log) as never,
    { schema, operation: definition, fragments: fragmentsOf(operation.document) },
    supergraphSchema,
    apiSchema,
  );
  return result as ExecutionResult;
}

/** A document's fragments by name. */
export function fragmentsOf(document: DocumentNode): Record<string, FragmentDefinitionNode> {
  const fragments: Record<string, FragmentDefinitionNode> = {};
  for (const node of document.definitions)
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments[node.name.value] = node;
  return fragments;
}

/** What the executor reads of Apollo Server's request context. */
function requestContext(
  { document, operationName, variables }: Operation,
  context: GatewayContext,
  schema: GraphQLSchema,
  log: Log,
) {
  const query = print(document);
  return {
    request: { query, operationName: operationName ?? undefined, variables: variables ?? {} },
    document,
    source: query,
    queryHash: createHash('sha256').update(query).digest('hex'),
    operationName: operationName ?? null,
    operation: getOperationAST(document, operationName),
    schema,
    context,
    logger: apolloLogger(log),
    metrics: {},
  };
}
