/** Why an attempt failed: a stable code that a client sees. */
export const attemptErrors = [
  'ADDRESS_REFUSED',
  'CONNECTION_LOST',
  'CONNECTION_REFUSED',
  'DNS_FAILED',
  'HTTP_ERROR',
  'RESPONSE_INVALID',
  'SECRET_UNREADABLE',
  'SEND_FAILED',
  'SMS_FAILED',
  'SMS_NOT_CONFIGURED',
  'SMS_REFUSED',
  'SMS_UNDELIVERED',
  'TIMEOUT',
  'TLS_FAILED',
  'UNREACHABLE',
  'URL_INVALID',
] as const;
export type AttemptError = (typeof attemptErrors)[number];

/** Why a delivery failed without an attempt: a stable code that a client sees. */
export const deliveryErrors = ['ENDPOINT_DISABLED'] as const;
export type DeliveryError = (typeof deliveryErrors)[number];

/**
 * The result of calling a URL. `stopped`: we aborted the call, for example at a shutdown. The receiver may have got the
 * call, but the call does not count as an attempt.
 */
export type CallResult = DeliveredResult | FailedResult | { outcome: 'stopped' };

/**
 * The result of an attempt.
 *
 * - `simulated`: nothing was sent, because SMS are only simulated (`SMS=log`, for development)
 * - `unreported`: nothing was sent, because the SMS provider accepted an earlier attempt, but never sent a report. The
 *   SMS counts as delivered.
 */
export type SendResult =
  | CallResult
  | AcceptedResult
  | PostponedResult
  | { outcome: 'simulated' }
  | { outcome: 'unreported' };

export interface DeliveredResult {
  outcome: 'delivered';
  /** HTTP status; null for an SMS. */
  status: number | null;
  /** The beginning of the response's body; null if there is none. */
  response: string | null;
}

/** An SMS provider has accepted the SMS, and will report whether the phone has received it. */
export interface AcceptedResult {
  outcome: 'accepted';
  /** If there is no report within this time, the SMS counts as delivered. In milliseconds. */
  reportWithinMs: number;
}

/**
 * Nothing was sent, by no fault of the receiver. The attempt is not stored or counted, and is repeated after `delayMs`.
 */
export interface PostponedResult {
  outcome: 'postponed';
  reason: PostponeReason;
  /** Time until the next attempt, in milliseconds. */
  delayMs: number;
}

/** Why an attempt was postponed. This reason is only logged, and clients do not see it. */
export type PostponeReason =
  | 'CALLBACKS_UNAVAILABLE'
  | 'QUEUE_CHANGED'
  | 'RATE_LIMITED'
  | 'SECRETS_KEY_WRONG'
  | 'SMS_ACCOUNT_REFUSED';

export interface FailedResult {
  outcome: 'failed';
  /** HTTP status; null without a response, and for an SMS. */
  status: number | null;
  /** The beginning of the response's body, or the SMS provider's error code; null if there is none. */
  response: string | null;
  error: AttemptError;
  retryAfterMs: number | null;
  /** HTTP status of the SMS provider's response; null for a callback. A status such as 429 slows down all SMS. */
  providerStatus: number | null;
  /** Whether a retry is useless. */
  final: boolean;
}

export function delivered(status: number | null, response: string | null = null): DeliveredResult {
  return { outcome: 'delivered', status, response };
}

/** Creates the result of a failed attempt. */
export function failed(
  error: AttemptError,
  {
    status = null,
    retryAfterMs = null,
    providerStatus = null,
    final = false,
    response = null,
  }: Partial<Omit<FailedResult, 'outcome' | 'error'>> = {},
): FailedResult {
  return { outcome: 'failed', status, response, error, retryAfterMs, providerStatus, final };
}
