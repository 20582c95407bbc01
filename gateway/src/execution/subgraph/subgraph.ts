import type { GatewayContext } from '../../context.ts';
import type { SubgraphResponse } from './subgraph-response.ts';

/** A subgraph, as the executor calls it. */
export interface Subgraph {
  /**
   * Sends a request. The executor may change the data of the response.
   *
   * @throws GraphQLError with a `PublicErrorCode` if there is no response. If `context.signal` was aborted, the error of
   *   the cancellation
   */
  send(request: SubgraphRequest, context: GatewayContext): Promise<SubgraphResponse>;
}

export interface SubgraphRequest {
  query: string;
  operationName: string | undefined;
  /** The JSON text of the request: its query, its operation's name and its variables. */
  body: string;
}

/** Parses the variables of a request, for a subgraph in this process that takes values instead of a text. */
export function variablesOf({ body }: SubgraphRequest): Record<string, unknown> {
  return JSON.parse(body).variables;
}
