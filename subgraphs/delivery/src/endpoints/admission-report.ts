import type { Clock } from '@voucher-gateway/platform/async/clock';
import { startRecurring } from '@voucher-gateway/platform/async/recurring';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { Admission } from './admission.ts';

const everyMs = 60_000;

/** Logs once per minute how many endpoints have an open circuit breaker or a pause, if there are any. */
export function startAdmissionReport({
  admission,
  clock,
  log,
}: {
  admission: Pick<Admission, 'report'>;
  clock: Clock;
  log: Log;
}): AsyncDisposable {
  return startRecurring({
    clock,
    everyMs,
    async work() {
      const report = admission.report();
      if (report.broken > 0 || report.paused > 0) log.info(report, 'deliveries of some endpoints wait');
    },
    onFailure: (error) => log.warn({ error }, 'the state of the endpoints could not be reported'),
  });
}
