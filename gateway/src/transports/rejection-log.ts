import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';

/**
 * Creates the function that logs rejected connections. Repeated lines are summarised, so that a flood of connections
 * does not flood the log.
 */
export function createRejectionLog(log: Log): (limit: string, maximum: number) => void {
  const lines = createRepeatedLines(log);
  return (limit, maximum) => lines.warn(limit, { limit, maximum }, 'connections are rejected: a limit is reached');
}
