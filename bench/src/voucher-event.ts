import { randomUUID } from 'node:crypto';

/** Who an event is for. */
export interface Addressee {
  phoneNumber: string;
  userId: string;
}

/** A message of the topic `receive-code`. */
export type VoucherEvent = ReturnType<typeof voucherEvent>;

/** A new voucher for somebody; what is measured travels in its code. */
export function voucherEvent({ phoneNumber, userId }: Addressee, code: string) {
  const at = new Date().toISOString();
  return {
    id: randomUUID(),
    requestId: randomUUID(),
    code,
    phoneNumber,
    status: 'SUCCESS',
    requestedAt: at,
    receivedAt: at,
    owner: { id: userId },
  };
}
