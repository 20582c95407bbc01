import type { SendResult } from '../attempt-result.ts';

/** What the result of an attempt shows about its endpoint. */
export interface Signs {
  /** Whether the endpoint is broken; null if the attempt does not show this. */
  isBroken: boolean | null;
  /** Whether the endpoint should be called more slowly. */
  isOverloaded: boolean;
  /** Time for which the endpoint asks not to be called at all, in milliseconds. */
  pauseMs: number;
}

const nothing: Signs = { isBroken: null, isOverloaded: false, pauseMs: 0 };
/** Errors of attempts that sent nothing, because the URL, its address or the secret is at fault. */
const notSent: readonly string[] = ['ADDRESS_REFUSED', 'SECRET_UNREADABLE', 'URL_INVALID'];
/** Statuses with which a receiver asks for fewer calls. @see Standard Webhooks, "Deliverability and reliability" */
const overloaded: readonly number[] = [429, 502, 504];
/** Statuses whose Retry-After is about the whole service. @see RFC 9110 section 10.2.3, RFC 6585 section 4 */
const pausing: readonly number[] = [429, 503];

/**
 * Returns what the result of an attempt shows. The result is null if no attempt was made, or if an internal error ended
 * the attempt.
 */
export function readSigns(result: SendResult | null): Signs {
  if (result?.outcome === 'delivered' || result?.outcome === 'accepted') return { ...nothing, isBroken: false };
  if (result?.outcome !== 'failed') return nothing;
  const { error, retryAfterMs } = result;
  const status = result.status ?? result.providerStatus;
  if (notSent.includes(error)) return nothing;
  return {
    // A receiver that refuses a callback (4xx) works, and may accept other callbacks.
    isBroken: status === null || status >= 500,
    isOverloaded: error === 'TIMEOUT' || (status !== null && overloaded.includes(status)),
    pauseMs: status !== null && pausing.includes(status) ? (retryAfterMs ?? 0) : 0,
  };
}
