import type { GatewayContext } from '../../context.ts';
import type { SubgraphResponse } from './subgraph-response.ts';

/** A subgraph, as the executor calls it. */
export interface Subgraph {
  /**
   * Sends a request, and resolves to the response, whose data is the executor's to change.
   *
   * @throws GraphQLError with a public code if there is no response, and what the client's signal was aborted with
   */
  send(request: SubgraphRequest, context: GatewayContext): Promise<SubgraphResponse>;
}

export interface SubgraphRequest {
  query: string;
  operationName: string | undefined;
  /** The JSON text of the request: its query, its operation's name and its variables. */
  body: string;
}

/** The variables of a request, for a subgraph that takes values and no text. */
export function variablesOf({ body }: SubgraphRequest): Record<string, unknown> {
  return JSON.parse(body).variables;
}
