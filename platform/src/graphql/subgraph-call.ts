import type { IncomingHttpHeaders } from 'node:http';
import { type ApolloServer, type BaseContext, HeaderMap } from '@apollo/server';
import { requestIdOf } from '../http/request-id.ts';

/** The properties of a request, besides the operation, that a subgraph gets. */
export interface SubgraphCaller {
  headers: IncomingHttpHeaders;
  /** Id of the request, for log lines. */
  id: string;
  /** Address of the peer, which is the gateway. */
  ip: string;
}

/** The content of a GraphQL request over HTTP. */
export interface SubgraphCallRequest {
  /** By lower-case name. */
  headers: Readonly<Record<string, string>>;
  /** JSON text. */
  body: string;
}

/** The content of a GraphQL response over HTTP. */
export interface SubgraphCallReply {
  status: number;
  /** By lower-case name. */
  headers: Readonly<Record<string, string>>;
  /** JSON text. */
  text: string;
}

/**
 * Calls a subgraph in the same process, without HTTP. The reply has the same content as over HTTP.
 *
 * @param signal aborts when the caller does not wait any more
 */
export type SubgraphCall = (request: SubgraphCallRequest, signal: AbortSignal) => Promise<SubgraphCallReply>;

export function createSubgraphCall<Context extends BaseContext>(
  apollo: ApolloServer<Context>,
  contextOf: (body: unknown, caller: SubgraphCaller, signal: AbortSignal) => Promise<Context>,
): SubgraphCall {
  return async ({ headers, body: text }, signal) => {
    const body: unknown = JSON.parse(text);
    const reply = await apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: { method: 'POST', headers: new HeaderMap(Object.entries(headers)), search: '', body },
      context: () => contextOf(body, { headers, id: requestIdOf(headers), ip: '127.0.0.1' }, signal),
    });
    // A response is always complete, because subgraphs do not support `@defer` and `@stream`.
    if (reply.body.kind !== 'complete') throw new Error('the response is not complete');
    return { status: reply.status ?? 200, headers: Object.fromEntries(reply.headers), text: reply.body.string };
  };
}
