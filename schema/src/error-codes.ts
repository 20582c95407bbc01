/**
 * All public error codes, in GraphQL (`extensions.code`) and REST (`code` of a problem document), with their REST
 * status. docs/errors.md documents the cause and the remedy of each code. A test checks that docs/errors.md lists the
 * same codes.
 */
export const publicErrors = {
  GRAPHQL_PARSE_FAILED: { status: 400 },
  GRAPHQL_VALIDATION_FAILED: { status: 400 },
  OPERATION_RESOLUTION_FAILURE: { status: 400 },
  PERSISTED_QUERY_NOT_FOUND: { status: 400 },
  PERSISTED_QUERY_NOT_SUPPORTED: { status: 400 },
  BAD_REQUEST: { status: 400 },
  BAD_USER_INPUT: { status: 400 },
  NOT_FOUND: { status: 404 },
  METHOD_NOT_ALLOWED: { status: 405 },
  UNAUTHENTICATED: { status: 401 },
  SESSION_EXPIRED: { status: 401 },
  SESSION_STORE_UNAVAILABLE: { status: 503 },
  FORBIDDEN: { status: 403 },
  INVALID_CREDENTIALS: { status: 401 },
  USERNAME_TAKEN: { status: 409 },
  PHONE_NUMBER_TAKEN: { status: 409 },
  PHONE_NUMBER_INVALID: { status: 400 },
  IDEMPOTENCY_KEY_REUSED: { status: 422 },
  VOUCHER_CODE_CONFLICT: { status: 409 },
  CALLBACK_URL_REFUSED: { status: 400 },
  ENDPOINT_DISABLED: { status: 409 },
  SECRET_UNREADABLE: { status: 409 },
  CURSOR_INVALID: { status: 400 },
  TOPIC_FIELD_MISSING: { status: 500 },
  SUBSCRIPTION_SCHEMA_RELOAD: { status: 409 },
  REQUEST_TOO_LARGE: { status: 413 },
  RATE_LIMITED: { status: 429 },
  OPERATION_TOO_COMPLEX: { status: 400 },
  SUBGRAPH_UNAVAILABLE: { status: 503 },
  SUBGRAPH_INVALID_RESPONSE: { status: 502 },
  UNAUTHORIZED_FIELD_OR_TYPE: { status: 403 },
  FIELD_UNREACHABLE: { status: 500 },
  SERVICE_UNAVAILABLE: { status: 503 },
  INTERNAL_SERVER_ERROR: { status: 500 },
} as const satisfies Record<string, { status: number }>;

export type PublicErrorCode = keyof typeof publicErrors;

/** Returns the HTTP status of a code; 500 for a code that is not public. */
export function statusOf(code: string): number {
  return Object.hasOwn(publicErrors, code) ? publicErrors[code as PublicErrorCode].status : 500;
}
