import type { Log } from '@voucher-gateway/platform/log';

/** A flood of rejected connections is no flood of log lines. */
const logEveryMs = 10_000;

/** Makes the function that logs rejected connections: the first, then how many at most every 10 s. */
export function createRejectionLog(log: Log): (limit: string, maximum: number) => void {
  let rejected = 0;
  let loggedAt = Number.NEGATIVE_INFINITY;
  return (limit, maximum) => {
    rejected += 1;
    if (performance.now() - loggedAt < logEveryMs) return;
    log.warn({ limit, maximum, rejected }, 'connections are rejected: a limit is reached');
    rejected = 0;
    loggedAt = performance.now();
  };
}
