import { randomUUID } from 'node:crypto';
import { serializeBody } from '../channels/callback/body.ts';
import type { delivery, EndpointRow } from '../tables.ts';
import { endpointOf } from './endpoint.ts';

/**
 * Plans a delivery of the event `endpoint.disabled` to each receiver, at its last used URL. The receivers are other
 * endpoints of the owner.
 */
export function planNotices(
  disabled: EndpointRow,
  receivers: readonly EndpointRow[],
  now: Date,
): (typeof delivery.$inferInsert)[] {
  const { id, userId, origin, failingSince } = disabled;
  const body = serializeBody({
    type: 'endpoint.disabled',
    timestamp: now.toISOString(),
    data: { origin, failingSince: (failingSince ?? now).toISOString(), disabledAt: now.toISOString() },
  });
  return receivers.map((receiver) => ({
    id: randomUUID(),
    requestId: null,
    voucherId: null,
    noticeOf: id,
    userId,
    channel: 'CALLBACK',
    url: receiver.url,
    phoneNumber: null,
    body,
    status: 'PENDING',
    createdAt: now,
    nextAttemptAt: now,
    endpointId: endpointOf({ userId, url: receiver.url }).id,
    turn: 0,
    running: false,
    failures: 0,
    round: 0,
  }));
}
