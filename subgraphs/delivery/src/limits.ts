import type { KeyValue } from '@voucher-gateway/platform/key-value';
import {
  allowWithoutStore,
  createRateLimiter,
  type RateLimit,
  type RateLimiter,
} from '@voucher-gateway/platform/key-value/rate-limiter';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createSmsLimits, type SmsLimits } from './channels/sms/limits.ts';
import type { DeliveryConfig } from './config.ts';

const tooManySms = 'Too many SMS';

/** The rate limits on the actions of a user. Each limit has separate counts. */
export interface DeliveryLimits {
  redeliveries: RateLimiter;
  recoveries: RateLimiter;
  testCallbacks: RateLimiter;
  sms: SmsLimits;
}

/** Creates the limits. While the key-value store is unavailable, nothing is counted or refused. */
export function createDeliveryLimits({
  config,
  keyValue,
  log,
}: {
  config: DeliveryConfig;
  keyValue: KeyValue;
  log: Log;
}): DeliveryLimits {
  const isOff = config.RATE_LIMITS === 'off';
  if (isOff) log.warn({}, 'RATE_LIMITS is off: redeliveries, recoveries, test callbacks and SMS are not limited');
  const create = (name: string, limit: RateLimit | null, message: string) =>
    allowWithoutStore(createRateLimiter({ keyValue, name, limit: isOff ? null : limit, message }), log);
  // With `SMS=off` there is no limit, because no SMS is sent.
  const smsLimitOf = (limit: RateLimit | null) => (config.SMS === 'off' ? null : limit);
  return {
    redeliveries: create('redeliveries-per-user', config.LIMIT_REDELIVERIES_PER_USER, 'Too many redeliveries'),
    recoveries: create('recoveries-per-user', config.LIMIT_RECOVERIES_PER_USER, 'Too many recoveries'),
    testCallbacks: create('test-callbacks-per-user', config.LIMIT_TEST_CALLBACKS_PER_USER, 'Too many test callbacks'),
    sms: createSmsLimits({
      perNumber: create('sms-per-number', smsLimitOf(config.LIMIT_SMS_PER_NUMBER), tooManySms),
      perUser: create('sms-per-user', smsLimitOf(config.LIMIT_SMS_PER_USER), tooManySms),
    }),
  };
}
