/** Why an attempt failed, as a short stable word that a client sees. */
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

/** What came of an attempt. `stopped`: we are stopping and do not know; it counts as none. */
export type SendResult =
  | { outcome: 'delivered'; status: number | null }
  | { outcome: 'failed'; status: number | null; error: AttemptError; retryAfterMs: number | null; final: boolean }
  | { outcome: 'stopped' };

/** A failed attempt; `final` where trying again is of no use. */
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
