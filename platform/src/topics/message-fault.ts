import { causesOf, isCodedError } from '../errors.ts';

/** SQLSTATE classes of data exceptions and constraint violations: a retry fails in the same way. */
const refusedValue = /^2[23][0-9A-Z]{3}$/;

/**
 * Whether a failure is the message's own, so that a retry can't help: a coded error that is not retryable, or a value
 * or constraint that the database rejects.
 *
 * Anything else is the environment's: an engine that is down or read-only, a missing permission or table, a bug that
 * the next deploy fixes.
 */
export function isMessageFault(error: unknown): boolean {
  for (const cause of causesOf(error)) {
    if (isCodedError(cause)) return !cause.retryable && cause.code !== 'NESTED_DATABASE_USE';
    const { code } = cause as { code?: unknown };
    if (typeof code === 'string' && refusedValue.test(code)) return true;
  }
  return false;
}
