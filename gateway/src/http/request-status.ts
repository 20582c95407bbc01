import { type PublicErrorCode, statusOf } from '@voucher-gateway/schema/error-codes';

/** Codes of well-formed requests with an invalid operation or invalid variables. */
const requestErrors: ReadonlySet<string> = new Set<PublicErrorCode>([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'BAD_USER_INPUT',
]);

/**
 * Returns the status of a request that failed with this code. If the operation or its variables are invalid, the status
 * is 200 if the response is `application/json` and the Accept header names this type. Old clients send this header, and
 * ignore responses with other statuses. In all other cases the status is that of the code.
 *
 * @see https://graphql.github.io/graphql-over-http/draft/#sec-application-json
 */
export function requestStatus(code: string, accept: string | undefined, contentType: string | null): number {
  const isLegacy = contentType?.startsWith('application/json') && accept?.toLowerCase().includes('application/json');
  return isLegacy && requestErrors.has(code) ? 200 : statusOf(code);
}
