import { commonSettings, duration, httpUrl, port, serviceSettings } from '@voucher-gateway/platform/config';
import {
  databaseSettings,
  keyValueSettings,
  saslIsWhole,
  topicsSettings,
} from '@voucher-gateway/platform/engine-settings';
import { region } from '@voucher-gateway/platform/phone-number';
import { rateLimit, rateLimitsSetting } from '@voucher-gateway/platform/rate-limiter';
import { consumerSettings } from '@voucher-gateway/platform/topics/consumer-limits';
import { defaultAudience, defaultIssuer } from '@voucher-gateway/schema/session';
import { z } from 'zod';

/** Settings of the voucher subgraph. */
export const voucherSettings = z.object({
  ...commonSettings,
  PORT: port(8092).describe('Port to listen on'),
  JWKS_URL: httpUrl().describe("The user service's keys"),
  JWT_ISSUER: z.string().default(defaultIssuer).describe('`iss` of the tokens'),
  JWT_AUDIENCE: z.string().default(defaultAudience).describe('`aud` of the tokens'),
  DEFAULT_REGION: region().describe('Region in which phone numbers without a country code are read'),
  ...rateLimitsSetting,
  LIMIT_VOUCHERS_PER_USER: rateLimit('30/1m').describe('Voucher requests of a user, refused ones and repeats too'),
  GIVE_UP_AFTER: duration('1h').describe('A request without a code fails this long after it was made'),
  IDEMPOTENCY_KEY_RETENTION: duration('24h', { max: '3650d' }).describe(
    'An idempotency key gives the same request again for this long; then it is deleted',
  ),
});

export type VoucherConfig = Readonly<z.output<typeof voucherSettings>>;

/** Settings of a process of its own, on engines of its own. */
export const voucherProcessSettings = z
  .object({
    ...voucherSettings.shape,
    ...serviceSettings,
    ...databaseSettings,
    ...topicsSettings,
    ...consumerSettings,
    ...keyValueSettings,
  })
  .refine(...saslIsWhole);
