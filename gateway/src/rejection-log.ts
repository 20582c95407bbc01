import type { Log } from '@voucher-gateway/platform/log';
import { createRepeatedLines } from '@voucher-gateway/platform/repeated-lines';

/** Makes the function that logs rejected connections: a flood of them is no flood of log lines. */
export function createRejectionLog(log: Log): (limit: string, maximum: number) => void {
  const lines = createRepeatedLines(log);
  return (limit, maximum) => lines.warn(limit, { limit, maximum }, 'connections are rejected: a limit is reached');
}
