import { codedCause, isRetryable, outageOf } from './errors.ts';
import type { Log } from './log.ts';
import { createRepeatedLines } from './repeated-lines.ts';

interface FailureFields {
  error: unknown;
  [name: string]: unknown;
}

/**
 * Makes what logs failures by one rule: an engine that is away and whatever else may be repeated, such as an overload, is
 * a warning that is not repeated for each of a flood; anything else is an error, a line each.
 */
export function createFailureLines(log: Log): (fields: FailureFields, message: string) => void {
  const lines = createRepeatedLines(log);
  return (fields, message) => {
    const passing = outageOf(fields.error) ?? (isRetryable(fields.error) ? codedCause(fields.error) : null);
    if (passing) lines.warn(`${message} ${passing.code}`, fields, message);
    else log.error(fields, message);
  };
}
