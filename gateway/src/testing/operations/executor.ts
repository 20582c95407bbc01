import { composeServices } from '@apollo/composition';
import { getOperationAST, parse } from 'graphql';
import type { GatewayContext } from '../../context.ts';
import { compileOperation } from '../../execution/compile-operation.ts';
import type { ResponseLimit } from '../../execution/response/output.ts';
import type { SubgraphResponse } from '../../execution/subgraph/subgraph-response.ts';
import { fragmentsOf } from '../../operations/parse-document.ts';
import { createPlanOperation } from '../../planning/plan-operation.ts';
import { conditionVariables } from '../../planning/resolve-conditions.ts';
import { readConditions } from '../../request/variables.ts';
import type { Grants } from '../../supergraph/access-rules.ts';
import { readSupergraph, toClientSchema } from '../../supergraph/read-supergraph.ts';
import { anonymous } from './operations.ts';

/** A request that a subgraph got. */
export interface SentRequest {
  subgraph: string;
  query: string;
  variables: Record<string, unknown>;
  /** The request's JSON text. */
  body: string;
}

export interface TestExecutorOptions {
  /** The subgraphs' schemas, by name. The function adds `@link`. */
  subgraphs: Record<string, string>;
  respond(request: SentRequest): SubgraphResponse | Promise<SubgraphResponse>;
  /** Number of fields whose compiled form is kept. Default: 1,000. */
  maxFields?: number;
  /** The `@override` labels that are on. Default: none. */
  overrides?: readonly string[];
  /** The client's rights. Default: the client may see only fields without access rules. */
  grants?: Partial<Grants>;
  /** Changes the composed supergraph, for example to the output of an earlier version of composition. */
  change?(supergraphSdl: string): string;
  context?: GatewayContext;
}

export const federationLink =
  'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@external", "@requires", "@provides", "@interfaceObject", "@context", "@fromContext", "@override", "@authenticated", "@requiresScopes", "@policy"])';

/** Creates the executor with subgraphs whose responses the test writes. */
export function createTestExecutor({
  subgraphs,
  respond,
  maxFields = 1_000,
  overrides = [],
  grants = {},
  change = (sdl) => sdl,
  context = anonymous,
}: TestExecutorOptions) {
  const composed = composeServices(
    Object.entries(subgraphs).map(([name, sdl]) => ({
      name,
      url: `http://${name}`,
      typeDefs: parse(federationLink + sdl),
    })),
  );
  if (!composed.supergraphSdl) throw new Error(composed.errors?.join('\n'));
  const supergraphSdl = change(composed.supergraphSdl);
  const supergraph = readSupergraph(supergraphSdl);
  const schema = toClientSchema(supergraph.apiSchema());
  const fullSchema = supergraph.schema.toGraphQLJSSchema();
  const planOperation = createPlanOperation({ supergraphSdl, hideSuggestions: false });
  const variant = {
    key: '',
    overrides,
    grants: { authenticated: false, scopes: [], policies: [], ...grants },
  };
  const sent: SentRequest[] = [];
  const clients = Object.fromEntries(
    Object.keys(subgraphs).map((subgraph) => [
      subgraph,
      {
        async send({ query, body }: { query: string; body: string }) {
          const request = { subgraph, query, body, variables: JSON.parse(body).variables };
          sent.push(request);
          return respond(request);
        },
      },
    ]),
  );
  return {
    /** The requests so far. */
    sent,
    compile(text: string, variables: Record<string, unknown> = {}, takesDeferred = false) {
      const document = parse(text);
      const definition = getOperationAST(document);
      if (!definition) throw new Error('no operation');
      const conditions = readConditions(conditionVariables(document), definition, variables);
      const planned = planOperation({ text, operationName: null, conditions, takesDeferred, variant });
      if (planned.kind !== 'plan') throw new Error(JSON.stringify(planned));
      const { node, renamedKeys, hiddenFields, errors: planErrors, hasDeferred = false } = planned.plan;
      return compileOperation({
        plan: node as never,
        definition,
        fragments: fragmentsOf(document),
        conditions,
        renamedKeys,
        hiddenFields,
        planErrors,
        hasDeferred,
        schema,
        supergraph: fullSchema,
        maxFields,
      });
    },
    async execute(text: string, variables: Record<string, unknown> = {}, limit: ResponseLimit | null = null) {
      return this.compile(text, variables).execute({ subgraphs: clients, variables, context, limit });
    },
    /** Executes an operation for a client that accepts deferred parts. */
    async executeInParts(text: string, variables: Record<string, unknown> = {}, limit: ResponseLimit | null = null) {
      return this.compile(text, variables, true).execute({ subgraphs: clients, variables, context, limit });
    },
  };
}
