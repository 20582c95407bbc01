import { type PublicErrorCode, statusOf } from '@voucher-gateway/schema/error-codes';

/** Codes of well-formed requests with an invalid operation or invalid variables. */
const requestErrors: ReadonlySet<string> = new Set<PublicErrorCode>([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'BAD_USER_INPUT',
]);

/**
 * Returns the HTTP status of a failed request: the status of the error code, with one exception. Old clients accept
 * `application/json`, and ignore responses with a status other than 200. So the status is 200 if the operation or its
 * variables are invalid, and the client accepts and gets `application/json`.
 *
 * @see https://graphql.github.io/graphql-over-http/draft/#sec-application-json
 */
export function requestStatus(code: string, accept: string | undefined, contentType: string | null): number {
  const isLegacy = contentType?.startsWith('application/json') && accept?.toLowerCase().includes('application/json');
  return isLegacy && requestErrors.has(code) ? 200 : statusOf(code);
}
