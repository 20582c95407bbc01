import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { GraphQLError } from 'graphql';
import type { ResponsePath } from '../data/paths.ts';
import type { SubgraphError } from './subgraph-response.ts';

/**
 * Converts a subgraph's error to an error at a path of the client's response. An error without a code gets
 * DOWNSTREAM_SERVICE_ERROR, which the formatter later masks.
 */
export function asClientError(
  { message, extensions }: SubgraphError,
  subgraph: string,
  path: ResponsePath | undefined,
): GraphQLError {
  const text = message || `Error while fetching subquery from service "${subgraph}"`;
  return new GraphQLError(text, {
    path,
    originalError: new Error(text),
    extensions: { code: 'DOWNSTREAM_SERVICE_ERROR', ...extensions, serviceName: subgraph },
  });
}

/** Creates the errors of a request that failed as a whole. There is one error at each path whose data is missing. */
export function asFetchErrors(thrown: unknown, paths: readonly ResponsePath[]): GraphQLError[] {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  if (!(error instanceof GraphQLError)) return [new GraphQLError(error.message, { originalError: error })];
  const { message, extensions } = error;
  const at = paths.length > 0 ? paths : [[]];
  return at.map((path) => new GraphQLError(message, { ...(path.length > 0 && { path }), extensions }));
}

/** Creates the error for a response that can't be merged. */
export function invalidResponse(subgraph: string): GraphQLError {
  return new GraphQLError(`The subgraph ${subgraph} answered something that does not fit its request.`, {
    extensions: { code: 'SUBGRAPH_INVALID_RESPONSE' satisfies PublicErrorCode, serviceName: subgraph },
  });
}
