import type { GraphQLFormattedError } from 'graphql';

/**
 * Returns the seconds after which a client may retry: the largest `retryAfterSeconds` of the errors. Returns null if no
 * error has `retryAfterSeconds`.
 */
export function readRetryAfter(errors: readonly GraphQLFormattedError[] | undefined): number | null {
  let longest: number | null = null;
  for (const { extensions } of errors ?? []) {
    const seconds = extensions?.retryAfterSeconds;
    if (typeof seconds === 'number' && Number.isFinite(seconds)) longest = Math.max(longest ?? 0, Math.ceil(seconds));
  }
  return longest;
}
