import { type PublicErrorCode, statusOf } from '@voucher-gateway/schema/error-codes';

/** Errors of a well-formed request that is no operation of the schema, or whose variables do not fit. */
const requestErrors: ReadonlySet<string> = new Set<PublicErrorCode>([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'BAD_USER_INPUT',
]);

/**
 * The status of a request that failed with this code. A client that asks for `application/json` by name may be one that
 * reads no response but those with 200; others get the status of the code.
 *
 * @see https://graphql.github.io/graphql-over-http/draft/#sec-application-json
 */
export function requestStatus(code: string, accept: string | undefined, contentType: string | null): number {
  const isLegacy = contentType?.startsWith('application/json') && accept?.toLowerCase().includes('application/json');
  return isLegacy && requestErrors.has(code) ? 200 : statusOf(code);
}
