import {
  databaseSettings,
  keyValueSettings,
  requireSaslCredentials,
  topicsSettings,
} from '@voucher-gateway/platform/engines/settings';
import { region } from '@voucher-gateway/platform/identity/phone-number';
import { rateLimit, rateLimitsSetting } from '@voucher-gateway/platform/key-value/rate-limiter';
import { commonSettings, duration, port, serviceSettings } from '@voucher-gateway/platform/process/config';
import { secretsSettings } from '@voucher-gateway/platform/secrets/settings';
import { defaultAudience, defaultIssuer } from '@voucher-gateway/schema/session';
import { z } from 'zod';

/** Arguments for the method `refine` of a zod schema. */
export const idleWithinMax = [
  (settings: { SESSION_IDLE: number; SESSION_MAX: number }) => settings.SESSION_IDLE <= settings.SESSION_MAX,
  { message: 'SESSION_IDLE must not be longer than SESSION_MAX' },
] as const;

/** Settings of the user subgraph. */
export const userSettings = z
  .object({
    ...commonSettings,
    PORT: port(8091).describe('Port to listen on'),
    JWT_ISSUER: z.string().default(defaultIssuer).describe('`iss` of the tokens'),
    JWT_AUDIENCE: z.string().default(defaultAudience).describe('`aud` of the tokens'),
    SESSION_IDLE: duration('10m').describe('A session ends this long after its last request'),
    SESSION_MAX: duration('12h').describe('A session ends this long after sign-in at the latest'),
    DEFAULT_REGION: region().describe('Region in which phone numbers without a country code are read'),
    ...rateLimitsSetting,
    LIMIT_SIGN_INS_PER_USERNAME: rateLimit('10/10m').describe(
      'Wrong passwords per username, over all addresses; an address from which the user has signed in has its own count',
    ),
    LIMIT_SIGN_INS_PER_ADDRESS: rateLimit('120/1m').describe('Sign-ins per address (IPv6: per /64), successful or not'),
    LIMIT_SIGN_UPS_PER_ADDRESS: rateLimit('60/10m').describe('Sign-ups per address (IPv6: per /64)'),
    KEY_ROTATION: duration('30d', { max: '3650d' }).describe('A signing key is replaced after this time'),
  })
  .refine(...idleWithinMax);

export type UserConfig = Readonly<z.output<typeof userSettings>>;

/** Settings of the subgraph as a separate process, with its own connections to database, Kafka and Redis. */
export const userProcessSettings = z
  .object({
    ...userSettings.shape,
    ...serviceSettings,
    ...databaseSettings,
    ...topicsSettings,
    ...keyValueSettings,
    ...secretsSettings,
  })
  .refine(...idleWithinMax)
  .refine(...requireSaslCredentials);
