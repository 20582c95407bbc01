import { isCodedError } from '@voucher-gateway/platform/errors';
import { failed, type SendResult } from '../attempt-result.ts';
import type { Delivery } from '../tables.ts';
import type { CallbackSecrets } from './callback/secrets.ts';
import type { CallbackSender } from './callback/send.ts';
import type { SmsLimits } from './sms/limits.ts';
import { sendSms } from './sms/send-sms.ts';
import type { SmsSender } from './sms/sms.ts';

/** The secrets that sign a callback; none for an SMS. */
export type SigningSecrets = readonly string[];

/** Makes one attempt at a delivery over its channel. `stop` ends it early. */
export type Send = (delivery: Delivery, stop: AbortSignal, secrets?: Promise<SigningSecrets>) => Promise<SendResult>;

export interface Channels {
  /** Reads what an attempt needs. A first attempt does so while its delivery is being stored. */
  prefetch(planned: Pick<Delivery, 'channel' | 'userId'>): Promise<SigningSecrets>;
  send: Send;
}

/** Another process may have the key that this one lacks, and makes the attempt after this time, in milliseconds. */
const otherKeyAfterMs = 60_000;

/** Creates the senders of all channels. */
export function createChannels({
  callbacks,
  secrets,
  smsSender,
  smsLimits,
  now,
}: {
  callbacks: CallbackSender;
  secrets: CallbackSecrets;
  smsSender: SmsSender;
  smsLimits: SmsLimits;
  /** The database's time, by which leases end, in milliseconds. */
  now(): number;
}): Channels {
  const prefetch: Channels['prefetch'] = async ({ channel, userId }) =>
    channel === 'CALLBACK' ? secrets.readSigning(userId) : [];
  const send: Send = async (delivery, stop, prefetched = prefetch(delivery)) => {
    const { id, channel, url, body, nextAttemptAt } = delivery;
    const signing = await prefetched.catch(withoutSecrets);
    if ('outcome' in signing) return signing;
    // The process was suspended, or the database slow: another process makes the attempt now.
    if (nextAttemptAt !== null && nextAttemptAt.getTime() <= now())
      throw new Error('the lease ended before the attempt');
    switch (channel) {
      case 'CALLBACK':
        return callbacks.send({ id, url: url ?? '', body, secrets: signing }, stop);
      case 'SMS':
        return sendSms(delivery, { sender: smsSender, limits: smsLimits, stop });
    }
  };
  return { prefetch, send };
}

/** The result of an attempt whose secret can't be decrypted. Rejects for another error, such as an outage. */
function withoutSecrets(error: unknown): SendResult {
  if (isCodedError(error, 'SECRET_UNREADABLE')) return failed('SECRET_UNREADABLE');
  if (isCodedError(error, 'SECRETS_KEY_WRONG'))
    return { outcome: 'postponed', reason: 'SECRETS_KEY_WRONG', delayMs: otherKeyAfterMs };
  throw error;
}
