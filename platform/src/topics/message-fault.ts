import { isCodedError } from '../errors.ts';

/** SQLSTATE classes of values and constraints: the database will refuse the same again. */
const refusedValue = /^2[23][0-9A-Z]{3}$/;

/**
 * Whether a failure is the message's own, so that trying again can't help: a coded refusal, or a value or constraint
 * that the database refuses. Anything else is the environment's: an engine that is away or read-only, a permission
 * or table that is missing, a bug that the next deploy fixes.
 */
export function isMessageFault(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isCodedError(cause)) return !cause.retryable && cause.code !== 'NESTED_DATABASE_USE';
    const { code } = cause as { code?: unknown };
    if (typeof code === 'string' && refusedValue.test(code)) return true;
  }
  return false;
}
