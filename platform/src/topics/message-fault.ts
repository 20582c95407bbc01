import { causesOf, isCodedError } from '../errors.ts';

/** SQLSTATE classes of data exceptions and constraint violations, for which a retry would fail in the same way. */
const refusedValue = /^2[23][0-9A-Z]{3}$/;

/**
 * Whether a failure is the message's fault, so that a retry can't help. Such a failure is a CodedError that is not
 * retryable, or a database error for an invalid value or a violated constraint.
 *
 * Any other failure counts as a fault of the environment. Examples are a database that is down, a missing permission,
 * or a bug that the next deployment fixes.
 */
export function isMessageFault(error: unknown): boolean {
  for (const cause of causesOf(error)) {
    if (isCodedError(cause)) return !cause.retryable && cause.code !== 'NESTED_DATABASE_USE';
    const { code } = cause as { code?: unknown };
    if (typeof code === 'string' && refusedValue.test(code)) return true;
  }
  return false;
}
