import { codedCause, isRetryable, outageOf } from '../errors.ts';
import type { Log } from './log.ts';
import { createRepeatedLines } from './repeated-lines.ts';

interface FailureFields {
  error: unknown;
  [name: string]: unknown;
}

/**
 * Creates the function that logs failures. A retryable failure, such as an outage of the database or an overload, is
 * logged as a warning. Repeated warnings are summarised in one line. Every other failure is logged as an error in a
 * separate line.
 */
export function createFailureLines(log: Log): (fields: FailureFields, message: string) => void {
  const lines = createRepeatedLines(log);
  return (fields, message) => {
    const passing = outageOf(fields.error) ?? (isRetryable(fields.error) ? codedCause(fields.error) : null);
    if (passing) lines.warn(`${message} ${passing.code}`, fields, message);
    else log.error(fields, message);
  };
}
