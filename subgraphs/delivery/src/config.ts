import { callbackUrlSettings, nameServers } from '@voucher-gateway/platform/egress/settings';
import {
  databaseSettings,
  keyValueSettings,
  outlivesTopics,
  requireSaslCredentials,
  topicsSettings,
} from '@voucher-gateway/platform/engines/settings';
import { rateLimit, rateLimitsSetting } from '@voucher-gateway/platform/key-value/rate-limiter';
import {
  commonSettings,
  duration,
  durationOrOff,
  httpUrl,
  parseDurationMs,
  port,
  serviceSettings,
} from '@voucher-gateway/platform/process/config';
import { secretsSettings } from '@voucher-gateway/platform/secrets/settings';
import { consumerSettings } from '@voucher-gateway/platform/topics/consumer-limits';
import { defaultAudience, defaultIssuer } from '@voucher-gateway/schema/session';
import { z } from 'zod';
import { requireSms, smsSettings } from './channels/sms/settings.ts';
import { endpointSettings } from './endpoints/settings.ts';

/** Settings of the delivery subgraph. A schema that includes these settings also needs the check `requireSms`. */
export const deliverySettings = z.object({
  ...commonSettings,
  PORT: port(8093).describe('Port to listen on'),
  JWKS_URL: httpUrl().describe("URL of the user service's public keys"),
  JWT_ISSUER: z.string().default(defaultIssuer).describe('`iss` of the tokens'),
  JWT_AUDIENCE: z.string().default(defaultAudience).describe('`aud` of the tokens'),
  ...rateLimitsSetting,
  LIMIT_REDELIVERIES_PER_USER: rateLimit('30/1m').describe('Redeliveries per user'),
  LIMIT_RECOVERIES_PER_USER: rateLimit('10/10m').describe('Recoveries of failed deliveries per user'),
  LIMIT_TEST_CALLBACKS_PER_USER: rateLimit('10/1m').describe('Test callbacks per user'),
  ...callbackUrlSettings,
  CALLBACK_PROXY: httpUrl()
    .refine(hasReadableCredentials, 'must have percent-encoded credentials: a % in the password is %25')
    .optional()
    .describe(
      'Proxy for callbacks. It resolves their names, has to refuse internal addresses itself, and to allow CONNECT to all CALLBACK_PORTS',
    ),
  CALLBACK_DNS_SERVERS: nameServers().describe(
    "Name servers that resolve the hosts of callbacks, address or address:port, comma-separated. Default: the system's",
  ),
  CALLBACK_TIMEOUT: duration('15s', { max: '1h' }).describe(
    'An attempt to deliver that has no response within this time has failed',
  ),
  CALLBACK_RETRY_SCHEDULE: durations('5s,5m,30m,2h,5h,10h,14h,20h,24h').describe(
    'Delay before each retry, separated by commas. After the last retry the delivery fails',
  ),
  ...smsSettings,
  ...endpointSettings,
  REQUEST_WAIT: duration('1h', { max: '24d' }).describe(
    'An outcome without its request is sent to dead-letter after it has been parked (PARK_AFTER) for this time. Later ones of its phone number wait for it',
  ),
  DELIVERY_RETENTION: durationOrOff('90d').describe(
    'Deliveries that have ended, with their attempts, and the callback URLs of requests are kept for this time; at least 24d longer than twice KAFKA_RETENTION, or `off` to keep all',
  ),
  OLD_SECRET_RETENTION: duration('24h').describe(
    'A replaced callback secret or key still signs for this time, beside the current one; then it is deleted',
  ),
  CALLBACK_KEY_ROTATION: duration('90d', { max: '3650d' }).describe(
    'The key that signs callbacks for all users is replaced after this time',
  ),
});

export { requireSms };

export const deliveriesOutliveTopics = outlivesTopics('DELIVERY_RETENTION');

export type DeliveryConfig = Readonly<z.output<typeof deliverySettings>>;

function hasReadableCredentials(url: string): boolean {
  try {
    const { username, password } = new URL(url);
    return decodeURIComponent(username + password) !== null;
  } catch {
    return false;
  }
}

const maxRetries = 100;
const maxRetryMs = 24 * 86_400_000;

/** A setting with durations such as `5s,5m`, parsed to milliseconds. */
function durations(fallback: string) {
  return z
    .string()
    .default(fallback)
    .transform((text, context) => {
      const list = text.split(',').map(parseDurationMs);
      if (list.length <= maxRetries && list.every((ms) => ms !== null && ms > 0 && ms <= maxRetryMs))
        return list as readonly number[];
      context.addIssue({
        code: 'custom',
        message: `must be durations separated by commas, at most ${maxRetries}, each of at most 24d, such as 5s,5m,2h`,
      });
      return z.NEVER;
    });
}

/** Settings of the subgraph as a separate process, with its own connections to database, Kafka and Redis. */
export const deliveryProcessSettings = z
  .object({
    ...deliverySettings.shape,
    ...serviceSettings,
    ...databaseSettings,
    ...topicsSettings,
    ...consumerSettings,
    ...keyValueSettings,
    ...secretsSettings,
  })
  .refine(...requireSaslCredentials)
  .refine(...deliveriesOutliveTopics)
  .superRefine(requireSms);
