import { outageOf } from './errors.ts';
import type { Log } from './log.ts';
import { createRepeatedLines } from './repeated-lines.ts';

interface FailureFields {
  error: unknown;
  [name: string]: unknown;
}

/**
 * Makes what logs failures by one rule: an engine that is away is the environment's, a warning that is not repeated for
 * each of a flood; anything else is an error, a line each.
 */
export function createFailureLines(log: Log): (fields: FailureFields, message: string) => void {
  const lines = createRepeatedLines(log);
  return (fields, message) => {
    const outage = outageOf(fields.error);
    if (outage) lines.warn(`${message} ${outage.code}`, fields, message);
    else log.error(fields, message);
  };
}
