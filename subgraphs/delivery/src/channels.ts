import type { Clock } from '@voucher-gateway/platform/clock';
import type { CallbackSecrets } from './callback/secrets.ts';
import type { CallbackSender } from './callback/send-callback.ts';
import type { SendResult } from './send-result.ts';
import { type SmsSender, sendSms } from './sms-sender.ts';
import type { Delivery } from './tables.ts';

/** What an attempt needs beside its delivery: a callback's secrets. */
export type Prepared = readonly string[];

/** Makes one attempt at a delivery over its channel. `stop` ends it early. */
export type Send = (delivery: Delivery, stop: AbortSignal, prepared?: Promise<Prepared>) => Promise<SendResult>;

export interface Channels {
  /** Begins to read what the first attempt needs, while its delivery is being stored. */
  prepare(planned: Pick<Delivery, 'channel' | 'userId'>): Promise<Prepared>;
  send: Send;
}

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
}): Channels {
  const prepare: Channels['prepare'] = async ({ channel, userId }) =>
    channel === 'CALLBACK' ? secrets.signing(userId) : [];
  const send: Send = async (delivery, stop, prepared = prepare(delivery)) => {
    const { id, channel, url, phoneNumber, body, round } = delivery;
    switch (channel) {
      case 'CALLBACK':
        return callbacks.send({ id, url: url ?? '', body, secrets: await prepared }, stop);
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
  return { prepare, send };
}
