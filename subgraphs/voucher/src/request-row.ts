import type { RequestCode } from '@voucher-gateway/schema/topics';
import { messages } from '@voucher-gateway/schema/vps-protocol';
import type { voucherRequest } from './tables.ts';

export type VoucherRequestRow = typeof voucherRequest.$inferSelect;

/** Builds the request's message from its row alone, so that it is the same bytes each time. */
export function requestCodeOf({ id, userId, phoneNumber, callbackUrl, requestedAt }: VoucherRequestRow): RequestCode {
  return { requestId: id, userId, phoneNumber, callbackUrl, requestedAt: requestedAt.toISOString() };
}

/** Describes the current state of a request. */
export function messageOf({ status, failureMessage }: VoucherRequestRow, now: number, expectedBy: Date): string {
  switch (status) {
    case 'PENDING':
      return now <= expectedBy.getTime()
        ? messages.processing
        : 'Your request takes longer than usual; the code will come by callback and SMS.';
    case 'FULFILLED':
      return 'Your voucher code is ready.';
    case 'FAILED':
      return failureMessage ?? 'Your request failed.';
  }
}
