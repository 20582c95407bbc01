import type { Clock } from '@voucher-gateway/platform/clock';
import type { CallbackSecrets } from './callback/secrets.ts';
import type { CallbackSender } from './callback/send-callback.ts';
import type { SendResult } from './send-result.ts';
import { type SmsSender, sendSms } from './sms-sender.ts';
import type { Delivery } from './tables.ts';

/** Makes one attempt at a delivery over its channel. `stop` ends it early. */
export type Send = (delivery: Delivery, stop: AbortSignal) => Promise<SendResult>;

/** How each channel sends. */
export function createChannels({
  callbacks,
  secrets,
  smsSender,
  clock,
  timeoutMs,
}: {
  callbacks: CallbackSender;
  secrets: CallbackSecrets;
  smsSender: SmsSender;
  clock: Clock;
  timeoutMs: number;
}): Send {
  return async ({ id, channel, url, phoneNumber, body, userId, round }, stop) => {
    switch (channel) {
      case 'CALLBACK':
        return callbacks.send({ id, url: url ?? '', body, secrets: await secrets.signing(userId) }, stop);
      case 'SMS': {
        // A message that is sent again by hand is another one to the provider; a retry is the same.
        const idempotencyKey = round === 0 ? id : `${id}:${round}`;
        return sendSms(
          { phoneNumber: phoneNumber ?? '', text: body, idempotencyKey },
          { sender: smsSender, clock, timeoutMs, stop },
        );
      }
    }
  };
}
