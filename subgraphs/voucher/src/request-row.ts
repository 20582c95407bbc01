import type { RequestCode } from '@voucher-gateway/schema/topics';
import { messages } from '@voucher-gateway/schema/vps-protocol';
import type { voucherRequest } from './tables.ts';

export type VoucherRequestRow = typeof voucherRequest.$inferSelect;

/** Builds the message for `request-code` only from the request's row, so that each publication has the same bytes. */
export function requestCodeOf({ id, userId, phoneNumber, callbackUrl, requestedAt }: VoucherRequestRow): RequestCode {
  return { requestId: id, userId, phoneNumber, callbackUrl, requestedAt: requestedAt.toISOString() };
}

/** Returns a sentence about the current state of a request, for the user. */
export function messageOf(
  { status, failureMessage, callbackUrl }: VoucherRequestRow,
  now: number,
  expectedBy: Date,
): string {
  switch (status) {
    case 'PENDING':
      return now <= expectedBy.getTime()
        ? messages.processing
        : `Your request takes longer than usual. The code will come by ${callbackUrl === null ? 'SMS' : 'callback and SMS'}.`;
    case 'FULFILLED':
      return 'Your voucher code is ready.';
    case 'FAILED':
      return failureMessage ?? 'Your request failed.';
  }
}

export interface RequestStep {
  name: 'ACCEPTED' | 'PROVIDER_ASKED' | 'PROVIDER_ACKNOWLEDGED' | 'CODE_RECEIVED' | 'FAILED' | 'STORED';
  at: Date;
}

/** Lists the steps that a request has reached, oldest first. */
export function stepsOf(row: VoucherRequestRow): RequestStep[] {
  const steps: { name: RequestStep['name']; at: Date | null }[] = [
    { name: 'ACCEPTED', at: row.requestedAt },
    { name: 'PROVIDER_ASKED', at: row.askedAt },
    { name: 'PROVIDER_ACKNOWLEDGED', at: row.acknowledgedAt },
    { name: row.status === 'FAILED' ? 'FAILED' : 'CODE_RECEIVED', at: row.endedAt },
    { name: 'STORED', at: row.storedAt },
  ];
  return steps.filter((step): step is RequestStep => step.at !== null);
}
