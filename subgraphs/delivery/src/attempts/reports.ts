import type { Database, Transaction } from '@voucher-gateway/platform/database';
import type { ReportResult, SmsReport, SmsReports } from '../channels/sms/report.ts';
import { attempt, type Delivery } from '../tables.ts';
import { lockRows, updateStates } from './delivery-rows.ts';
import { ended, retryOrFail } from './delivery-states.ts';

/**
 * Applies an SMS provider's reports to deliveries.
 *
 * - `delivered` ends the delivery, because the phone has the code. The report may be about any attempt. The report also
 *   turns a failed delivery into a delivered one.
 * - `undelivered` makes the attempt fail. The delivery is retried by its schedule, if a retry may succeed. The report
 *   counts only for the last attempt of the delivery. That attempt has to be in progress or accepted.
 */
export function createSmsReports({
  database,
  schedule,
}: {
  database: Database;
  /** Delays between attempts, in milliseconds. */
  schedule: readonly number[];
}): SmsReports {
  return {
    apply: (report) =>
      database.transaction(async (tx): Promise<ReportResult> => {
        const [row] = await lockRows(tx, [report.deliveryId]);
        if (row?.channel !== 'SMS' || report.turn > row.turn) return 'unknown';
        const changes = changesBy(row, report);
        if (!changes) return 'ignored';
        await storeReport(tx, report, new Date(database.now()));
        await updateStates(tx, [{ ...row, ...changes }]);
        return 'applied';
      }),
  };

  function changesBy(row: Delivery, report: SmsReport): Partial<Delivery> | null {
    if (report.outcome === 'delivered') return row.status === 'DELIVERED' ? null : { status: 'DELIVERED', ...ended };
    const isCurrent =
      row.status === 'PENDING' && row.turn === report.turn && (row.running || row.acceptedTurn === report.turn);
    return isCurrent
      ? retryOrFail(row, {
          schedule,
          nowMs: database.now(),
          retryAfterMs: null,
          maxRetryAfterMs: 0,
          final: report.final,
        })
      : null;
  }
}

/** Stores a report as the result of its attempt. The report may arrive before the dispatcher has stored the attempt. */
async function storeReport(tx: Transaction, report: SmsReport, at: Date): Promise<void> {
  const result =
    report.outcome === 'delivered'
      ? { error: null, response: null }
      : { error: 'SMS_UNDELIVERED', response: report.code === null ? null : String(report.code) };
  await tx
    .insert(attempt)
    .values({ deliveryId: report.deliveryId, turn: report.turn, at, durationMs: 0, status: null, ...result })
    .onConflictDoUpdate({ target: [attempt.deliveryId, attempt.turn], set: result });
}
