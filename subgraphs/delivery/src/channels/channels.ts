import { isCodedError } from '@voucher-gateway/platform/errors';
import { failed, type SendResult } from '../attempt-result.ts';
import type { Delivery } from '../tables.ts';
import type { CallbackSecrets } from './callback/secrets.ts';
import type { CallbackSender } from './callback/send.ts';
import type { SmsLimits } from './sms/limits.ts';
import { sendSms } from './sms/send-sms.ts';
import type { SmsSender } from './sms/sms.ts';

/** The secrets that sign a callback; an empty list for an SMS. */
export type SigningSecrets = readonly string[];

/** Makes one attempt of a delivery over its channel. `stop` ends the attempt early. */
export type Send = (delivery: Delivery, stop: AbortSignal, secrets?: Promise<SigningSecrets>) => Promise<SendResult>;

export interface Channels {
  /**
   * Reads the secrets that an attempt needs. For a first attempt, the secrets are read while the delivery is being
   * stored.
   */
  prefetch(planned: Pick<Delivery, 'channel' | 'userId'>): Promise<SigningSecrets>;
  send: Send;
}

/**
 * If this process lacks the key for a secret, the attempt is postponed for this time, in milliseconds. Another process
 * may have the key, and make the attempt.
 */
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
  /** Returns the database's time, which decides when leases end, in milliseconds. */
  now(): number;
}): Channels {
  const prefetch: Channels['prefetch'] = async ({ channel, userId }) =>
    channel === 'CALLBACK' ? secrets.readSigning(userId) : [];
  const send: Send = async (delivery, stop, prefetched = prefetch(delivery)) => {
    const { id, channel, url, body, nextAttemptAt } = delivery;
    const signing = await prefetched.catch(withoutSecrets);
    if ('outcome' in signing) return signing;
    // If the lease has ended, the process was suspended or the database was slow. Another process may already make the
    // attempt.
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

/** Returns the result of an attempt whose secret can't be decrypted. Throws any other error, such as an outage. */
function withoutSecrets(error: unknown): SendResult {
  if (isCodedError(error, 'SECRET_UNREADABLE')) return failed('SECRET_UNREADABLE');
  if (isCodedError(error, 'SECRETS_KEY_WRONG'))
    return { outcome: 'postponed', reason: 'SECRETS_KEY_WRONG', delayMs: otherKeyAfterMs };
  throw error;
}
