import type { SendResult } from '../../attempt-result.ts';
import type { Delivery } from '../../tables.ts';
import { limitedForMs, type SmsLimits } from './limits.ts';
import type { SmsSender } from './sms.ts';

/**
 * Makes one attempt to send a delivery by SMS. The rate limits count only the first attempt of a delivery, and the
 * first attempt of each redelivery. If the SMS would exceed a limit, the SMS is postponed. Then no attempt is counted.
 */
export async function sendSms(
  delivery: Delivery,
  { sender, limits, stop }: { sender: SmsSender; limits: SmsLimits; stop: AbortSignal },
): Promise<SendResult> {
  const { id: deliveryId, turn, phoneNumber, body: text, createdAt, failures } = delivery;
  // A delivery with an accepted attempt becomes due only if no report has arrived in time.
  if (delivery.acceptedTurn !== null) return { outcome: 'unreported' };
  const isFirst = failures === 0;
  if (isFirst) {
    const waitMs = await limits.count(delivery).then(() => null, limitedFor);
    if (waitMs !== null) return { outcome: 'postponed', reason: 'RATE_LIMITED', delayMs: waitMs };
  }
  const result = await sender.send({ deliveryId, turn, phoneNumber: phoneNumber ?? '', text, createdAt }, stop);
  if (isFirst && result.outcome === 'postponed') await limits.takeBack(delivery);
  return result;
}

function limitedFor(error: unknown): number {
  const waitMs = limitedForMs(error);
  if (waitMs === null) throw error;
  // A random part is added, so that SMS that wait for the same limit are not all due at the same moment.
  return Math.round(waitMs * (1 + Math.random() / 10));
}
