/** A report of an SMS provider about an SMS that it has accepted. */
export type SmsReport = { deliveryId: string; turn: number } & (
  | { outcome: 'delivered' }
  /** `code` is the provider's error code, or null. `final` means that another attempt would also fail. */
  | { outcome: 'undelivered'; code: number | null; final: boolean }
);

/**
 * The result of a report:
 *
 * - `applied`: the report has changed its delivery
 * - `ignored`: the report is a duplicate, or the delivery has had a later attempt
 * - `unknown`: there is no such delivery, or the delivery had no such attempt
 */
export type ReportResult = 'applied' | 'ignored' | 'unknown';

/** Applies reports. Reports may be duplicates, arrive out of order, or arrive before their attempt is stored. */
export interface SmsReports {
  apply(report: SmsReport): Promise<ReportResult>;
}
