/**
 * Each delay is lengthened or shortened at random, by up to this fraction. This spreads the retries of simultaneous
 * failures.
 */
const jitter = 0.2;

export interface RetryInput {
  /** Delays before the second attempt, the third and so on, in milliseconds. */
  schedule: readonly number[];
  /** Number of attempts that have failed so far, at least 1. */
  failures: number;
  /** The receiver's Retry-After, in milliseconds from now; null without one. */
  retryAfterMs: number | null;
  /** A longer Retry-After is reduced to this time, in milliseconds. */
  maxRetryAfterMs: number;
  /** Returns a number from 0 to 1. Default: `Math.random`. */
  random?: () => number;
}

/**
 * Returns the time until the next attempt in milliseconds, or null after the last one. A receiver's Retry-After can
 * lengthen a delay of the schedule, but can't shorten it.
 *
 * @see Standard Webhooks, "Deliverability and reliability"
 */
export function nextDelayMs({
  schedule,
  failures,
  retryAfterMs,
  maxRetryAfterMs,
  random = Math.random,
}: RetryInput): number | null {
  const base = schedule[failures - 1];
  if (base === undefined) return null;
  const spread = base * (1 + jitter * (2 * random() - 1));
  const requested = Math.min(retryAfterMs ?? 0, maxRetryAfterMs) * (1 + jitter * random());
  return Math.round(Math.max(spread, requested));
}
