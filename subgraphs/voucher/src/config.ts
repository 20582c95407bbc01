import { callbackUrlSettings } from '@voucher-gateway/platform/egress/settings';
import {
  databaseSettings,
  keyValueSettings,
  requireSaslCredentials,
  topicsSettings,
} from '@voucher-gateway/platform/engines/settings';
import { region } from '@voucher-gateway/platform/identity/phone-number';
import { rateLimit, rateLimitsSetting } from '@voucher-gateway/platform/key-value/rate-limiter';
import { commonSettings, duration, httpUrl, port, serviceSettings } from '@voucher-gateway/platform/process/config';
import { consumerSettings } from '@voucher-gateway/platform/topics/consumer-limits';
import { defaultAudience, defaultIssuer } from '@voucher-gateway/schema/session';
import { z } from 'zod';

/** Settings of the voucher subgraph. */
export const voucherSettings = z.object({
  ...commonSettings,
  PORT: port(8092).describe('Port to listen on'),
  JWKS_URL: httpUrl().describe("URL of the user service's public keys"),
  JWT_ISSUER: z.string().default(defaultIssuer).describe('`iss` of the tokens'),
  JWT_AUDIENCE: z.string().default(defaultAudience).describe('`aud` of the tokens'),
  DEFAULT_REGION: region().describe('Region in which phone numbers without a country code are read'),
  ...callbackUrlSettings,
  ...rateLimitsSetting,
  LIMIT_VOUCHERS_PER_USER: rateLimit('30/1m').describe(
    'Voucher requests per user, including rejected and repeated ones',
  ),
  GIVE_UP_AFTER: duration('1h').describe('A request without a code fails after this time'),
  IDEMPOTENCY_KEY_RETENTION: duration('24h', { max: '3650d' }).describe(
    'An idempotency key returns its request for this time; then it is deleted',
  ),
});

export type VoucherConfig = Readonly<z.output<typeof voucherSettings>>;

/** Settings of the subgraph as a separate process, with its own connections to database, Kafka and Redis. */
export const voucherProcessSettings = z
  .object({
    ...voucherSettings.shape,
    ...serviceSettings,
    ...databaseSettings,
    ...topicsSettings,
    ...consumerSettings,
    ...keyValueSettings,
  })
  .refine(...requireSaslCredentials);
