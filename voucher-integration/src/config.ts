import {
  commonSettings,
  duration,
  durationOrOff,
  httpUrl,
  integer,
  port,
  serviceSettings,
} from '@voucher-gateway/platform/config';
import {
  databaseSettings,
  outlivesTopics,
  saslIsWhole,
  topicsSettings,
} from '@voucher-gateway/platform/engine-settings';
import { consumerSettings } from '@voucher-gateway/platform/topics/consumer-limits';
import { z } from 'zod';

/** Settings of voucher-integration. */
export const integrationSettings = z.object({
  ...commonSettings,
  PORT: port(8082).describe("Port that takes the provider's callbacks"),
  VPS_URL: httpUrl().describe('The provider'),
  INTEGRATION_PUBLIC_URL: httpUrl()
    .optional()
    .describe('Where the provider reaches voucher-integration; its own address by default'),
  VPS_TIMEOUT: duration('3s', { max: '50s' }).describe('The provider answers within this time'),
  VPS_CONCURRENCY: integer(2_000, { min: 1, max: 10_000 }).describe(
    'Requests that a process makes to the provider at once, first and repeated ones together',
  ),
  VPS_SILENCE_AFTER: duration('45s').describe(
    'A provider that has sent no code this long after its acknowledgement is asked again',
  ),
  GIVE_UP_AFTER: duration('1h').describe('A request without a code fails this long after it was made'),
  VPS_RETRY_BASE: duration('1s').describe(
    'The first retry of the provider comes after this time; each next one after twice as long',
  ),
  VPS_RETRY_MAX: duration('4m').describe(
    'Longest time between two retries of the provider: after an outage all are asked again within it',
  ),
  PROVIDER_REQUEST_RETENTION: durationOrOff('90d').describe(
    'What the provider answered to a request that has ended is kept for this long after the request was made; 24d longer than twice KAFKA_RETENTION at least, or `off` to keep all',
  ),
});

export const providerRequestsOutliveTopics = outlivesTopics('PROVIDER_REQUEST_RETENTION');

export type IntegrationConfig = Readonly<z.output<typeof integrationSettings>>;

/** Settings of a process of its own, on engines of its own. */
export const integrationProcessSettings = z
  .object({
    ...integrationSettings.shape,
    ...serviceSettings,
    ...databaseSettings,
    ...topicsSettings,
    ...consumerSettings,
  })
  .refine(...saslIsWhole)
  .refine(...providerRequestsOutliveTopics);
