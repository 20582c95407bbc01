import { CodedError } from '@voucher-gateway/platform/errors';
import type { RateLimiter } from '@voucher-gateway/platform/key-value/rate-limiter';
import type { Delivery } from '../../tables.ts';

type Recipient = Pick<Delivery, 'phoneNumber' | 'userId'>;

/** Counts SMS per phone number and per user. While the key-value store is unavailable nothing is counted or refused. */
export interface SmsLimits {
  /**
   * Counts an SMS. Throws CodedError RATE_LIMITED with `retryAfterSeconds`, and counts nothing, if the SMS would exceed
   * a limit.
   */
  count(recipient: Recipient): Promise<void>;
  /** Undoes `count`, for an SMS that was not sent. */
  takeBack(recipient: Recipient): Promise<void>;
  /**
   * Throws as `count` does, but counts nothing. With this method, `redeliver` rejects a redelivery that would exceed a
   * limit. The redelivered SMS is counted later, when its attempt is made.
   */
  check(recipient: Recipient): Promise<void>;
}

/** @param limiters limiters that allow everything while the key-value store is unavailable */
export function createSmsLimits({
  perNumber: numbers,
  perUser: users,
}: {
  perNumber: RateLimiter;
  perUser: RateLimiter;
}): SmsLimits {
  const keysOf = ({ phoneNumber, userId }: Recipient): [RateLimiter, string][] => [
    [numbers, phoneNumber ?? ''],
    [users, userId],
  ];
  return {
    async count(recipient) {
      await numbers.count(recipient.phoneNumber ?? '');
      try {
        await users.count(recipient.userId);
      } catch (refusal) {
        await numbers.takeBack(recipient.phoneNumber ?? '');
        throw refusal;
      }
    },
    async takeBack(recipient) {
      for (const [limiter, key] of keysOf(recipient)) await limiter.takeBack(key);
    },
    async check(recipient) {
      for (const [limiter, key] of keysOf(recipient)) await limiter.check(key);
    },
  };
}

/** Returns the time until an SMS over the limit may be sent, in milliseconds; null if the error is not RATE_LIMITED. */
export function limitedForMs(error: unknown): number | null {
  if (!(error instanceof CodedError) || error.code !== 'RATE_LIMITED') return null;
  const { retryAfterSeconds } = error.details;
  return typeof retryAfterSeconds === 'number' ? retryAfterSeconds * 1_000 : null;
}
