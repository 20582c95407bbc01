import type { ProviderRequest } from './state.ts';
import type { providerRequest } from './tables.ts';

/** Converts a row to a request. Throws if the row lacks a value that its status needs. */
export function fromRow(row: typeof providerRequest.$inferSelect): ProviderRequest {
  const { requestId, userId, phoneNumber, requestedAt, askedAt, challenges } = row;
  const fields = { requestId, userId, phoneNumber, requestedAt, askedAt, challenges };
  switch (row.status) {
    case 'WAITING':
      return { ...fields, status: 'WAITING', held: row.held, attempts: row.attempts, lastError: row.lastError };
    case 'SETTLED':
      if (row.code === null || row.voucherStatus === null || row.receivedAt === null)
        throw new Error(`the row of ${requestId} is incomplete`);
      return {
        ...fields,
        status: 'SETTLED',
        code: row.code,
        voucherStatus: row.voucherStatus,
        receivedAt: row.receivedAt,
      };
    case 'FAILED':
      if (row.failureReason === null || row.failedAt === null) throw new Error(`the row of ${requestId} is incomplete`);
      return { ...fields, status: 'FAILED', reason: row.failureReason, failedAt: row.failedAt };
  }
}
