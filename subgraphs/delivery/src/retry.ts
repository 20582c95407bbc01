/** A longer Retry-After of a receiver is reduced to this time. */
export const longestRetryAfterMs = 86_400_000;
/** Up to this fraction of a delay is added at random, to spread the retries of simultaneous failures. */
const jitter = 0.2;

export interface RetryInput {
  /** Delays before the second attempt, the third and so on, in milliseconds. */
  schedule: readonly number[];
  /** Attempts that have failed so far: 1 or more. */
  failures: number;
  /** The receiver's Retry-After, in milliseconds from now; null without one. */
  retryAfterMs: number | null;
  /** Returns a number from 0 to 1. Default: `Math.random`. */
  random?: () => number;
}

/**
 * Returns the time until the next attempt in milliseconds, or null after the last one. A receiver's Retry-After can
 * lengthen a delay of the schedule, not shorten it.
 *
 * @see Standard Webhooks, "Deliverability and reliability"
 */
export function nextDelayMs({ schedule, failures, retryAfterMs, random = Math.random }: RetryInput): number | null {
  const base = schedule[failures - 1];
  if (base === undefined) return null;
  const requested = Math.min(retryAfterMs ?? 0, longestRetryAfterMs);
  return Math.round(Math.max(base, requested) * (1 + jitter * random()));
}

/**
 * Parses a Retry-After header: seconds or an HTTP date. Returns milliseconds from `nowMs`; null if it is invalid.
 * @see RFC 9110 section 10.2.3
 */
export function parseRetryAfterMs(header: string | string[] | undefined, nowMs: number): number | null {
  if (typeof header !== 'string') return null;
  const text = header.trim();
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1_000;
  const date = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}
