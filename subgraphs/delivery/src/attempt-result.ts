/** Why an attempt failed: a stable code that a client sees. */
export const attemptErrors = [
  'ADDRESS_REFUSED',
  'CONNECTION_LOST',
  'CONNECTION_REFUSED',
  'DNS_FAILED',
  'HTTP_ERROR',
  'INTERNAL_ERROR',
  'RESPONSE_INVALID',
  'SEND_FAILED',
  'SMS_FAILED',
  'TIMEOUT',
  'TLS_FAILED',
  'UNREACHABLE',
  'URL_INVALID',
] as const;
export type AttemptError = (typeof attemptErrors)[number];

/** The result of an attempt. `stopped`: aborted by a shutdown with unknown outcome, so it is not counted. */
export type SendResult =
  | { outcome: 'delivered'; status: number | null }
  | { outcome: 'failed'; status: number | null; error: AttemptError; retryAfterMs: number | null; final: boolean }
  | { outcome: 'stopped' };

/** Creates the result of a failed attempt; `final` if a retry is of no use. */
export function failed(
  error: AttemptError,
  {
    status = null,
    retryAfterMs = null,
    final = false,
  }: { status?: number | null; retryAfterMs?: number | null; final?: boolean } = {},
): SendResult {
  return { outcome: 'failed', status, error, retryAfterMs, final };
}
