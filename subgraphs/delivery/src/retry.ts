/** A receiver's Retry-After is heeded up to this time. */
export const longestRetryAfterMs = 86_400_000;
/** At most this part of a waiting time is added to it, at random, so that what failed together does not come back together. */
const jitter = 0.2;

export interface RetryInput {
  /** Waiting time in milliseconds before the second attempt, the third, …. */
  schedule: readonly number[];
  /** Attempts that have failed so far: 1 or more. */
  failures: number;
  /** What the receiver's Retry-After says, in milliseconds from now. */
  retryAfterMs: number | null;
  /** 0 to 1. */
  random?: () => number;
}

/**
 * Time until the next attempt in milliseconds, or null after the last. A receiver may ask for more time
 * than the schedule gives, not for less.
 *
 * @see Standard Webhooks, "Deliverability and reliability"
 */
export function nextDelayMs({ schedule, failures, retryAfterMs, random = Math.random }: RetryInput): number | null {
  const base = schedule[failures - 1];
  if (base === undefined) return null;
  const asked = Math.min(retryAfterMs ?? 0, longestRetryAfterMs);
  return Math.round(Math.max(base, asked) * (1 + jitter * random()));
}

/**
 * A Retry-After header in milliseconds from `nowMs`: seconds or an HTTP date; null for anything else.
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
