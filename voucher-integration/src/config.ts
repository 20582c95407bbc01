import {
  databaseSettings,
  outlivesTopics,
  requireSaslCredentials,
  topicsSettings,
} from '@voucher-gateway/platform/engines/settings';
import {
  commonSettings,
  duration,
  durationOrOff,
  httpUrl,
  integer,
  port,
  serviceSettings,
} from '@voucher-gateway/platform/process/config';
import { consumerSettings } from '@voucher-gateway/platform/topics/consumer-limits';
import { z } from 'zod';

/** Settings of voucher-integration. */
export const integrationSettings = z.object({
  ...commonSettings,
  PORT: port(8082).describe("Port that takes the provider's callbacks"),
  VPS_URL: httpUrl().describe('Base URL of the provider'),
  INTEGRATION_PUBLIC_URL: httpUrl()
    .optional()
    .describe('Base URL at which the provider reaches voucher-integration. Default: its own address'),
  VPS_TIMEOUT: duration('3s', { max: '50s' }).describe('Time-out of a request to the provider'),
  VPS_CONCURRENCY: integer(2_000, { min: 1, max: 10_000 }).describe(
    'Concurrent requests to the provider per process, including retries',
  ),
  VPS_SILENCE_AFTER: duration('45s').describe(
    'A request is sent to the provider again if no code arrives within this time after its acknowledgement',
  ),
  GIVE_UP_AFTER: duration('1h').describe('A request without a code fails after this time'),
  VPS_RETRY_BASE: duration('1s').describe(
    'Time before the first retry of a failed request to the provider; it doubles with each retry',
  ),
  VPS_RETRY_MAX: duration('4m').describe(
    'Longest time between two retries: after an outage of the provider all requests are retried within it',
  ),
  PROVIDER_REQUEST_RETENTION: durationOrOff('90d').describe(
    'Requests to the provider that have ended are kept for this time after they were created; at least 24d longer than twice KAFKA_RETENTION, or `off` to keep all',
  ),
});

export const providerRequestsOutliveTopics = outlivesTopics('PROVIDER_REQUEST_RETENTION');

export type IntegrationConfig = Readonly<z.output<typeof integrationSettings>>;

/** Settings of voucher-integration as a separate process, with its own connections to database and Kafka. */
export const integrationProcessSettings = z
  .object({
    ...integrationSettings.shape,
    ...serviceSettings,
    ...databaseSettings,
    ...topicsSettings,
    ...consumerSettings,
  })
  .refine(...requireSaslCredentials)
  .refine(...providerRequestsOutliveTopics);
