import { operationFromDocument, Supergraph } from '@apollo/federation-internals';
import { executeQueryPlan } from '@apollo/gateway';
import { type QueryPlan, QueryPlanner } from '@apollo/query-planner';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { type DocumentNode, execute, type GraphQLError, getOperationAST, parse, validate } from 'graphql';
import { compileOperation } from '../../execution/compile-operation.ts';
import type { SubgraphRequest } from '../../execution/subgraph/subgraph.ts';
import { type SubgraphResponse, toSubgraphResponse } from '../../execution/subgraph/subgraph-response.ts';
import { fragmentsOf, parseDocument } from '../../operations/parse-document.ts';
import { createPlanOperation } from '../../planning/plan-operation.ts';
import { isEmptyOperation, resolveConditions } from '../../planning/resolve-conditions.ts';
import { createLimitGuard, type OperationLimits } from '../../request/limits.ts';
import { readConditions } from '../../request/variables.ts';
import { toClientSchema } from '../../supergraph/read-supergraph.ts';
import { mergeParts } from '../operations/merge-parts.ts';
import { anonymous } from '../operations/operations.ts';
import { generateSupergraph } from './supergraph.ts';
import { createFieldResolver } from './values.ts';

const limitless = createLimitGuard({} as OperationLimits, { mode: 'measure', log: silentLog });

/** Changes or replaces a subgraph's response. It may throw, to simulate a subgraph that can't be reached. */
export type Fault = (subgraph: string, response: SubgraphResponse) => SubgraphResponse;

export interface ExecutionOptions {
  text: string;
  variables: Record<string, unknown>;
  /** Of `failOneIn` fields, about one fails. 0 means that no field fails. */
  failOneIn?: number;
  /** Whether the client accepts deferred parts. Default: false. */
  takesDeferred?: boolean;
  fault?: Fault;
}

/** The result of an operation, with its mutations and its number of requests to subgraphs. */
export interface Outcome {
  data: unknown;
  errors: readonly GraphQLError[];
  /** Errors for values that do not match the types of their fields. */
  unfit: readonly GraphQLError[];
  /** Number of deferred parts. */
  parts: number;
  /** The executed mutations, in order. */
  mutations: string[];
  /** Number of requests to subgraphs. */
  requests: number;
}

/**
 * Creates a generated supergraph with its subgraphs in this process, and both executors: Apollo's and ours.
 *
 * @param knowsAll whether each subgraph knows all entities. Default: false, some are unknown
 */
export function createWorld(seed: number, knowsAll = false) {
  const { supergraphSdl, subgraphs } = generateSupergraph(seed, knowsAll);
  const supergraph = Supergraph.build(supergraphSdl);
  const apiSchema = supergraph.apiSchema();
  const schema = toClientSchema(apiSchema);
  const fullSchema = supergraph.schema.toGraphQLJSSchema();
  const planner = new QueryPlanner(supergraph);
  const planOperation = createPlanOperation({ supergraphSdl, hideSuggestions: false });

  const open = ({ failOneIn = 0, fault = (_, response) => response }: ExecutionOptions) => {
    const state = { mutations: [] as string[], requests: 0 };
    const resolve = createFieldResolver({ seed, failOneIn, onMutation: (name) => state.mutations.push(name) });
    const call = async (subgraph: string, query: string, variables: Record<string, unknown>) => {
      state.requests += 1;
      const result = await execute({
        schema: subgraphs[subgraph] as (typeof subgraphs)[string],
        document: parse(query),
        variableValues: variables,
        fieldResolver: resolve as never,
        typeResolver: (value) => (value as { __typename?: string }).__typename,
      });
      const response = toSubgraphResponse(JSON.parse(JSON.stringify(result)));
      if (!response) throw new Error('no response');
      return fault(subgraph, response);
    };
    return { state, call };
  };

  const read = ({ text, variables }: ExecutionOptions) => {
    const { document } = parseDocument(text, limitless);
    const definition = getOperationAST(document);
    if (!definition) throw new Error('no operation');
    const conditions = readConditions(['yes', 'no'], definition, variables);
    return { document, definition, conditions, fragments: fragmentsOf(document) };
  };
  const planByApollo = ({ document, definition, conditions }: ReturnType<typeof read>): QueryPlan => {
    const resolved = resolveConditions(document, conditions);
    const isEmpty = isEmptyOperation(getOperationAST(resolved) ?? definition);
    if (isEmpty) return { kind: 'QueryPlan' };
    return planner.buildQueryPlan(operationFromDocument(apiSchema, resolved, { validate: false }));
  };

  return {
    schema,
    /** Returns the validation errors of an operation. */
    validate: (document: DocumentNode) => validate(schema, document),
    async executeByApollo(options: ExecutionOptions): Promise<Outcome> {
      const { state, call } = open(options);
      const operation = read(options);
      const { definition, fragments } = operation;
      const plan = planByApollo(operation);
      const sources = Object.fromEntries(
        Object.keys(subgraphs).map((name) => [
          name,
          {
            process: async ({ request: { query, variables } }: { request: SentToApollo }) =>
              hideInterface(await call(name, query, variables)),
          },
        ]),
      );
      const context = { request: { variables: options.variables }, context: anonymous, logger: silentLog, metrics: {} };
      const {
        data,
        errors = [],
        extensions,
      } = await executeQueryPlan(
        plan,
        sources as never,
        context as never,
        { schema, operation: definition, fragments },
        fullSchema,
        apiSchema,
      );
      return {
        data,
        errors,
        unfit: (extensions?.valueCompletion as GraphQLError[] | undefined) ?? [],
        parts: 0,
        ...state,
      } as Outcome;
    },
    /** Plans the operation with our planner, which corrects faults of Apollo's planner. Then executes the plan. */
    async executeByOurs(options: ExecutionOptions): Promise<Outcome> {
      const { state, call } = open(options);
      const { definition, fragments, conditions } = read(options);
      const { takesDeferred = false } = options;
      const planned = planOperation({ text: options.text, operationName: null, conditions, takesDeferred });
      if (planned.kind !== 'plan') throw new Error(JSON.stringify(planned));
      const { node, renamedKeys, errors: planErrors, hasDeferred = false } = planned.plan;
      const compiled = compileOperation({
        definition,
        fragments,
        conditions,
        plan: node as never,
        renamedKeys,
        planErrors,
        hasDeferred,
        schema,
        supergraph: fullSchema,
        maxFields: 1_000,
      });
      const send = (name: string) => (request: SubgraphRequest) => {
        const { query, variables } = JSON.parse(request.body);
        return call(name, query, variables);
      };
      const result = await compiled.execute({
        subgraphs: Object.fromEntries(Object.keys(subgraphs).map((name) => [name, { send: send(name) }])),
        variables: options.variables,
        context: anonymous,
        limit: null,
      });
      const isUnfit = ({ extensions }: GraphQLError) =>
        extensions.code === 'SUBGRAPH_INVALID_RESPONSE' && extensions.serviceName === undefined;
      const { data, errors, parts } = await mergeParts(result);
      return {
        data,
        parts,
        errors: errors.filter((error) => !isUnfit(error)),
        unfit: errors.filter(isUnfit),
        ...state,
      };
    },
  };
}

interface SentToApollo {
  query: string;
  variables: Record<string, unknown>;
}

/**
 * Removes the `__typename` of interface objects. Apollo's executor would overwrite the object's type with the
 * interface's name. Then it would omit the fields of fragments on the object's type.
 */
function hideInterface(response: SubgraphResponse): SubgraphResponse {
  const { _entities: entities } = (response.data ?? {}) as { _entities?: ({ __typename?: string } | null)[] };
  for (const entity of entities ?? []) if (entity?.__typename === 'Media') delete entity.__typename;
  return response;
}

export type World = ReturnType<typeof createWorld>;
