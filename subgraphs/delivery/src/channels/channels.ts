import type { Clock } from '@voucher-gateway/platform/async/clock';
import type { SendResult } from '../attempt-result.ts';
import type { Delivery } from '../tables.ts';
import type { CallbackSecrets } from './callback/secrets.ts';
import type { CallbackSender } from './callback/send.ts';
import { type SmsSender, sendSms } from './sms.ts';

/** The secrets that sign a callback; none for an SMS. */
export type SigningSecrets = readonly string[];

/** Makes one attempt at a delivery over its channel. `stop` ends it early. */
export type Send = (delivery: Delivery, stop: AbortSignal, secrets?: Promise<SigningSecrets>) => Promise<SendResult>;

export interface Channels {
  /** Reads what an attempt needs. A first attempt does so while its delivery is being stored. */
  prefetch(planned: Pick<Delivery, 'channel' | 'userId'>): Promise<SigningSecrets>;
  send: Send;
}

/** Creates the senders of all channels. */
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
}): Channels {
  const prefetch: Channels['prefetch'] = async ({ channel, userId }) =>
    channel === 'CALLBACK' ? secrets.readSigning(userId) : [];
  const send: Send = async (delivery, stop, prefetched = prefetch(delivery)) => {
    const { id, channel, url, phoneNumber, body, round } = delivery;
    switch (channel) {
      case 'CALLBACK':
        return callbacks.send({ id, url: url ?? '', body, secrets: await prefetched }, stop);
      case 'SMS': {
        // For the provider a redelivery is a new message, and a retry is the same one.
        const idempotencyKey = round === 0 ? id : `${id}:${round}`;
        return sendSms(
          { phoneNumber: phoneNumber ?? '', text: body, idempotencyKey },
          { sender: smsSender, clock, timeoutMs, stop },
        );
      }
    }
  };
  return { prefetch, send };
}
