import { randomUUID } from 'node:crypto';

/** The receiver of an event. */
export interface Addressee {
  phoneNumber: string;
  userId: string;
}

/** A message of the topic `receive-code`. */
export type VoucherEvent = ReturnType<typeof voucherEvent>;

/** Creates an event with a new voucher. The voucher's code contains the sending time (`FlightTimes.stamp`). */
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
