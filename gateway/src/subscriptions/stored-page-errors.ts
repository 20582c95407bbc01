import { CodedError } from '@voucher-gateway/platform/errors';
import { type PublicErrorCode, publicErrors } from '@voucher-gateway/schema/error-codes';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';

/** Public codes that, on a stored page, are about the gateway's own query and not about what its client sent. */
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
 * What a client may know of a subgraph's error on a stored page: one with a public code as it is, anything else masked
 * and retryable, so that no client drops a good cursor for it.
 *
 * @param sent the arguments that the client sent: only for them may BAD_USER_INPUT blame it
 */
export function unreadablePage(error: GraphQLFormattedError, sent: Readonly<Record<string, unknown>>): Error {
  const { code, argument } = error.extensions ?? {};
  const isPublic = typeof code === 'string' && Object.hasOwn(publicErrors, code) && !aboutOurQuery.has(code);
  const isOfClient = code !== 'BAD_USER_INPUT' || (typeof argument === 'string' && Object.hasOwn(sent, argument));
  const own = new GraphQLError(error.message, { extensions: error.extensions });
  if (isPublic && isOfClient) return own;
  return new CodedError<PublicErrorCode>('SUBGRAPH_UNAVAILABLE', message, { retryable: true, cause: own });
}

/** A stored page that does not fit its type. */
export function invalidPage(cause: unknown): CodedError {
  return new CodedError<PublicErrorCode>('SUBGRAPH_INVALID_RESPONSE', message, { retryable: true, cause });
}
