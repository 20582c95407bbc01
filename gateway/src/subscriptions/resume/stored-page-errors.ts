import { CodedError } from '@voucher-gateway/platform/errors';
import { type PublicErrorCode, publicErrors } from '@voucher-gateway/schema/error-codes';
import { GraphQLError } from 'graphql';
import type { SubgraphError } from '../../execution/subgraph/subgraph-response.ts';

/**
 * Public error codes that the client does not get for a stored page. The gateway wrote the query for the page, so these
 * errors are not about the client's request.
 */
const aboutOurQuery: ReadonlySet<string> = new Set<PublicErrorCode>([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'OPERATION_TOO_COMPLEX',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'BAD_REQUEST',
  'NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'REQUEST_TOO_LARGE',
  'INTERNAL_SERVER_ERROR',
]);

const message = 'What is stored can not be read at the moment; subscribe again with the same cursor.';

/**
 * Converts a subgraph's error for a stored page. A public error about the client's request is returned unchanged. Any
 * other error is replaced by a retryable error, so that the client keeps its valid cursor.
 *
 * @param sent the client's arguments. BAD_USER_INPUT is about the client's request only if the error's `argument` is in
 *   `sent`
 */
export function unreadablePage(error: SubgraphError, sent: Readonly<Record<string, unknown>>): Error {
  const { code, argument } = error.extensions ?? {};
  const isPublic = typeof code === 'string' && Object.hasOwn(publicErrors, code) && !aboutOurQuery.has(code);
  const isOfClient = code !== 'BAD_USER_INPUT' || (typeof argument === 'string' && Object.hasOwn(sent, argument));
  const own = new GraphQLError(error.message ?? '', { extensions: error.extensions });
  if (isPublic && isOfClient) return own;
  return new CodedError<PublicErrorCode>('SUBGRAPH_UNAVAILABLE', message, { retryable: true, cause: own });
}

/** Creates the error for an invalid stored page, such as a page without edges. */
export function invalidPage(cause: unknown): CodedError {
  return new CodedError<PublicErrorCode>('SUBGRAPH_INVALID_RESPONSE', message, { retryable: true, cause });
}
