/** What an SMS provider reports about an SMS that it has accepted. */
export type SmsReport = { deliveryId: string; turn: number } & (
  | { outcome: 'delivered' }
  /** `code`: the provider's; null without one. `final`: another attempt would fail as well. */
  | { outcome: 'undelivered'; code: number | null; final: boolean }
);

/**
 * The result of a report:
 *
 * - `applied`: it has changed its delivery
 * - `ignored`: its delivery is past it: a duplicate, or one of an earlier attempt that has been replaced
 * - `unknown`: there is no such delivery, or it had no such attempt
 */
export type ReportResult = 'applied' | 'ignored' | 'unknown';

/** Applies reports. They may be duplicates, out of order, and earlier than the record of their attempt. */
export interface SmsReports {
  apply(report: SmsReport): Promise<ReportResult>;
}
