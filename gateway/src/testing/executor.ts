import { composeServices } from '@apollo/composition';
import { operationFromDocument, Supergraph } from '@apollo/federation-internals';
import { QueryPlanner } from '@apollo/query-planner';
import { getOperationAST, parse } from 'graphql';
import type { GatewayContext } from '../context.ts';
import { compileOperation } from '../execution/compile-operation.ts';
import type { ResponseLimit } from '../execution/output.ts';
import type { SubgraphResponse } from '../execution/subgraph-response.ts';
import { fragmentsOf } from '../operations/parse-document.ts';
import { readConditions } from '../request/variables.ts';
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
  /** The subgraphs' schemas, by name. `@link` is added. */
  subgraphs: Record<string, string>;
  respond(request: SentRequest): SubgraphResponse | Promise<SubgraphResponse>;
  /** Number of fields whose compiled form is kept. Default: 1,000. */
  maxFields?: number;
  context?: GatewayContext;
}

const link =
  'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@external", "@requires", "@provides", "@interfaceObject"])';

/** The executor on subgraphs whose responses the test writes. */
export function createTestExecutor({
  subgraphs,
  respond,
  maxFields = 1_000,
  context = anonymous,
}: TestExecutorOptions) {
  const { supergraphSdl, errors } = composeServices(
    Object.entries(subgraphs).map(([name, sdl]) => ({ name, url: `http://${name}`, typeDefs: parse(link + sdl) })),
  );
  if (!supergraphSdl) throw new Error(errors?.join('\n'));
  const supergraph = Supergraph.build(supergraphSdl);
  const apiSchema = supergraph.apiSchema();
  const planner = new QueryPlanner(supergraph);
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
    compile(text: string, variables: Record<string, unknown> = {}) {
      const document = parse(text);
      const definition = getOperationAST(document);
      if (!definition) throw new Error('no operation');
      return compileOperation({
        plan: planner.buildQueryPlan(operationFromDocument(apiSchema, document, { validate: true })).node as never,
        definition,
        fragments: fragmentsOf(document),
        conditions: readConditions(Object.keys(variables), definition, variables),
        schema: apiSchema.toGraphQLJSSchema(),
        supergraph: supergraph.schema.toGraphQLJSSchema(),
        maxFields,
      });
    },
    async execute(text: string, variables: Record<string, unknown> = {}, limit: ResponseLimit | null = null) {
      return this.compile(text, variables).execute({ subgraphs: clients, variables, context, limit });
    },
  };
}
