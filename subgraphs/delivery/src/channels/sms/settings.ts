import { rateLimit } from '@voucher-gateway/platform/key-value/rate-limiter';
import { duration, httpUrl } from '@voucher-gateway/platform/process/config';
import { z } from 'zod';

/** Settings of the SMS channel. */
export const smsSettings = {
  SMS: z
    .enum(['twilio', 'log', 'off'], { error: 'must be one of twilio, log, off' })
    .optional()
    .describe(
      'How late codes are sent by SMS: `twilio`; `log`, which sends nothing and records SIMULATED, not in production; `off`, which records FAILED with SMS_NOT_CONFIGURED. Required in production; else the default is log',
    ),
  TWILIO_URL: httpUrl().default('https://api.twilio.com').describe('Base URL of Twilio, or of a service with its API'),
  TWILIO_ACCOUNT_SID: z
    .string()
    .regex(/^AC[\da-f]{32}$/i, 'must be AC and 32 hexadecimal digits')
    .optional()
    .describe('Account at Twilio. Required for SMS=twilio'),
  TWILIO_AUTH_TOKEN: z.string().optional().describe("The account's auth token. Required for SMS=twilio"),
  TWILIO_FROM: z
    .string()
    .regex(
      /^(\+[1-9]\d{1,14}|(?=.*[A-Za-z])[A-Za-z\d +\-_&]{1,11})$/,
      'must be a phone number such as +15005550006, or a sender name',
    )
    .optional()
    .describe(
      'Number or name that sends the SMS. For SMS=twilio either this or TWILIO_MESSAGING_SERVICE_SID is required',
    ),
  TWILIO_MESSAGING_SERVICE_SID: z
    .string()
    .regex(/^MG[\da-f]{32}$/i, 'must be MG and 32 hexadecimal digits')
    .optional()
    .describe('Messaging service of Twilio that chooses the sender'),
  DELIVERY_PUBLIC_URL: httpUrl()
    .optional()
    .describe(
      'Base URL at which Twilio reaches delivery, for its status callbacks at /sms/status. Default: none, and an SMS that Twilio has accepted counts as delivered',
    ),
  SMS_REPORT_WAIT: duration('24h').describe(
    'An SMS that Twilio has accepted counts as delivered if no status callback has come within this time',
  ),
  LIMIT_SMS_PER_NUMBER: rateLimit('10/1h').describe('SMS per phone number; further ones wait'),
  LIMIT_SMS_PER_USER: rateLimit('10/1h').describe('SMS per user; further ones wait'),
};

export type SmsConfig = Readonly<z.output<z.ZodObject<typeof smsSettings>>> & { readonly NODE_ENV: string };

/**
 * Returns the way in which SMS are sent. Returns null in production if `SMS` is not set. The check `requireSms` refuses
 * such a configuration.
 */
export function smsModeOf({
  SMS,
  NODE_ENV,
}: Pick<SmsConfig, 'SMS' | 'NODE_ENV'>): NonNullable<SmsConfig['SMS']> | null {
  return SMS ?? (NODE_ENV === 'production' ? null : 'log');
}

/** A check for a configuration schema: reports missing settings of the chosen way to send SMS. */
export function requireSms(config: SmsConfig, context: z.RefinementCtx): void {
  const refuse = (setting: keyof typeof smsSettings, message: string) =>
    context.addIssue({ code: 'custom', path: [setting], message });
  const mode = smsModeOf(config);
  if (mode === null)
    refuse(
      'SMS',
      'production needs SMS=twilio with TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM or TWILIO_MESSAGING_SERVICE_SID, or SMS=off',
    );
  if (mode === 'log' && config.NODE_ENV === 'production')
    refuse('SMS', 'must be twilio or off, as NODE_ENV is production');
  if (mode !== 'twilio') return;
  for (const setting of ['TWILIO_ACCOUNT_SID', 'TWILIO_AUTH_TOKEN'] as const)
    if (!config[setting]) refuse(setting, 'SMS=twilio needs it');
  const senders = [config.TWILIO_FROM, config.TWILIO_MESSAGING_SERVICE_SID].filter(Boolean);
  if (senders.length === 0) refuse('TWILIO_FROM', 'SMS=twilio needs it, or TWILIO_MESSAGING_SERVICE_SID');
  if (senders.length === 2) refuse('TWILIO_FROM', 'contradicts TWILIO_MESSAGING_SERVICE_SID: set one of them');
}
