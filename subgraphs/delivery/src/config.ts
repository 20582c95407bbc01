import {
  commonSettings,
  duration,
  durationOrOff,
  httpUrl,
  optionalFlag,
  parseDurationMs,
  port,
  serviceSettings,
} from '@voucher-gateway/platform/config';
import {
  databaseSettings,
  keyValueSettings,
  outlivesTopics,
  saslIsWhole,
  topicsSettings,
} from '@voucher-gateway/platform/engine-settings';
import { rateLimit, rateLimitsSetting } from '@voucher-gateway/platform/rate-limiter';
import { consumerSettings } from '@voucher-gateway/platform/topics/consumer-limits';
import { defaultAudience, defaultIssuer } from '@voucher-gateway/schema/session';
import { z } from 'zod';

/** Settings of the delivery subgraph. */
export const deliverySettings = z.object({
  ...commonSettings,
  PORT: port(8093).describe('Port to listen on'),
  JWKS_URL: httpUrl().describe("Where the user service's signing keys stand"),
  JWT_ISSUER: z.string().default(defaultIssuer).describe('`iss` of the tokens'),
  JWT_AUDIENCE: z.string().default(defaultAudience).describe('`aud` of the tokens'),
  ...rateLimitsSetting,
  LIMIT_REDELIVERIES_PER_USER: rateLimit('30/1m').describe('Redeliveries that a user asks for'),
  CALLBACK_ALLOW_LOOPBACK: optionalFlag().describe(
    'Whether callbacks may go to loopback and private addresses. Default: true, but false where NODE_ENV is production',
  ),
  CALLBACK_TIMEOUT: duration('10s', { max: '1h' }).describe('A callback that has no answer by then counts as failed'),
  CALLBACK_RETRY_SCHEDULE: durations('5s,5m,30m,2h,5h,10h,14h,20h,24h').describe(
    'Waiting time before each further attempt, in order, with commas between; after the last one it is given up',
  ),
  REQUEST_WAIT: duration('1h', { max: '24d' }).describe(
    'An outcome whose request is not known goes to dead-letter when it has been parked (PARK_AFTER) for this long: later ones of its phone number wait behind it',
  ),
  DELIVERY_RETENTION: durationOrOff('90d').describe(
    'Deliveries that have ended, with their attempts, and the callback URLs of requests are kept for this long; 24d longer than twice KAFKA_RETENTION at least, or `off` to keep all',
  ),
  OLD_SECRET_RETENTION: duration('24h').describe(
    'A callback secret that was replaced signs along for this long; then it is deleted',
  ),
});

export const deliveriesOutliveTopics = outlivesTopics('DELIVERY_RETENTION');

export type DeliveryConfig = Readonly<z.output<typeof deliverySettings>>;

/** Whether callbacks may go to loopback and private addresses: what is said, else by NODE_ENV. */
export function allowsLoopback(config: Pick<DeliveryConfig, 'CALLBACK_ALLOW_LOOPBACK' | 'NODE_ENV'>): boolean {
  return config.CALLBACK_ALLOW_LOOPBACK ?? config.NODE_ENV !== 'production';
}

const maxRetries = 100;
const maxRetryMs = 24 * 86_400_000;

/** Durations such as `5s,5m`, in milliseconds once parsed. */
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
        message: `must be durations with commas between, at most ${maxRetries}, each of at most 24d, such as 5s,5m,2h`,
      });
      return z.NEVER;
    });
}

/** Settings of a process of its own, on engines of its own. */
export const deliveryProcessSettings = z
  .object({
    ...deliverySettings.shape,
    ...serviceSettings,
    ...databaseSettings,
    ...topicsSettings,
    ...consumerSettings,
    ...keyValueSettings,
  })
  .refine(...saslIsWhole)
  .refine(...deliveriesOutliveTopics);
