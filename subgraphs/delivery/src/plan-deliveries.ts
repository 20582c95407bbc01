import { randomUUID } from 'node:crypto';
import type { CallbackBody } from '@voucher-gateway/schema/callback';
import type { ReceiveCode, RequestFailed } from '@voucher-gateway/schema/topics';
import { serializeBody } from './channels/callback/body.ts';
import type { Channel } from './tables.ts';

/** How a request has ended: a message of the topic `receive-code` or `request-failed`. */
export type Outcome =
  | { type: 'voucher.received'; value: ReceiveCode }
  | { type: 'voucher.failed'; value: RequestFailed };

/** A delivery that is not stored yet. */
export interface PlannedDelivery {
  id: string;
  requestId: string;
  voucherId: string | null;
  userId: string;
  channel: Channel;
  url: string | null;
  phoneNumber: string | null;
  body: string;
}

/**
 * Plans the deliveries of an outcome: a callback if there is a callbackUrl, and an SMS for a late code.
 *
 * @param callbackUrl null if the client set none
 */
export function planDeliveries(outcome: Outcome, callbackUrl: string | null): PlannedDelivery[] {
  const { value } = outcome;
  const fields = {
    requestId: value.requestId,
    voucherId: outcome.type === 'voucher.received' ? outcome.value.id : null,
    userId: value.owner.id,
  };
  const planned: PlannedDelivery[] = [];
  if (callbackUrl !== null) {
    const body = serializeBody(callbackBody(outcome));
    planned.push({ id: randomUUID(), ...fields, channel: 'CALLBACK', url: callbackUrl, phoneNumber: null, body });
  }
  if (outcome.type === 'voucher.received' && outcome.value.status === 'LATE_SUCCESS') {
    const body = smsText(outcome.value);
    planned.push({ id: randomUUID(), ...fields, channel: 'SMS', url: null, phoneNumber: value.phoneNumber, body });
  }
  return planned;
}

function callbackBody(outcome: Outcome): CallbackBody {
  switch (outcome.type) {
    case 'voucher.received': {
      const { id: voucherId, requestId, code, status, phoneNumber, requestedAt, receivedAt } = outcome.value;
      return {
        type: outcome.type,
        timestamp: receivedAt,
        data: { requestId, voucherId, code, status, phoneNumber, requestedAt, receivedAt },
      };
    }
    case 'voucher.failed': {
      const { requestId, phoneNumber, reason, message, failedAt } = outcome.value;
      return { type: outcome.type, timestamp: failedAt, data: { requestId, phoneNumber, reason, message, failedAt } };
    }
  }
}

function smsText({ code }: ReceiveCode): string {
  return `Thank you for your patience, your voucher code is ready: ${code}`;
}
