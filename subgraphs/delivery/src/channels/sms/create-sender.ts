import type { Clock } from '@voucher-gateway/platform/async/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/process/log';
import { type SmsConfig, smsModeOf } from './settings.ts';
import { noSms, type SmsSender, simulatedSms } from './sms.ts';
import { smsStatusUrl } from './status-route.ts';
import { createTwilioSender } from './twilio-sender.ts';

/**
 * Creates the sender that the configuration chooses.
 *
 * @throws CodedError CONFIG_INVALID if the configuration chooses no sender. The check `requireSms` in its schema
 *   prevents this.
 */
export function createSmsSender(
  config: SmsConfig,
  { clock, timeoutMs, log, releases }: { clock: Clock; timeoutMs: number; log: Log; releases: AsyncDisposableStack },
): SmsSender {
  switch (smsModeOf(config)) {
    case 'off':
      return noSms;
    case 'log':
      return simulatedSms;
    case 'twilio': {
      const { TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_FROM, TWILIO_MESSAGING_SERVICE_SID } = config;
      return releases.use(
        createTwilioSender({
          clock,
          timeoutMs,
          url: config.TWILIO_URL,
          accountSid: TWILIO_ACCOUNT_SID ?? '',
          authToken: TWILIO_AUTH_TOKEN ?? '',
          from: TWILIO_MESSAGING_SERVICE_SID
            ? { MessagingServiceSid: TWILIO_MESSAGING_SERVICE_SID }
            : { From: TWILIO_FROM ?? '' },
          ...(config.DELIVERY_PUBLIC_URL && {
            reports: {
              urlOf: (sms) => smsStatusUrl(config.DELIVERY_PUBLIC_URL ?? '', sms),
              withinMs: config.SMS_REPORT_WAIT,
            },
          }),
          log,
        }),
      );
    }
    case null:
      throw new CodedError('CONFIG_INVALID', 'SMS is missing.');
  }
}
