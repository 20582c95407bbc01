import { duration, durationOrOff, integer } from '@voucher-gateway/platform/process/config';
import type { z } from 'zod';
import type { AdmissionLimits } from './admission.ts';

/** The settings that prevent an endpoint from delaying other endpoints. */
export const endpointSettings = {
  CALLBACK_CONCURRENCY: integer(1_000, { min: 1, max: 10_000 }).describe(
    'Attempts in progress per process, of callbacks and SMS. The last quarter is for endpoints without any',
  ),
  CALLBACK_CONCURRENCY_PER_ENDPOINT: integer(64, { min: 1, max: 10_000 }).describe(
    'Attempts in progress per endpoint (user and origin of the URL) and process. It starts at 16 at most, grows with successes that need more, and halves on 429, 502, 504 and time-outs',
  ),
  CALLBACK_CONCURRENCY_PER_ORIGIN: integer(256, { min: 1, max: 10_000 }).describe(
    'Attempts in progress per origin and process, of all users. The last quarter is for users without any',
  ),
  CALLBACK_CONCURRENCY_PER_USER: integer(128, { min: 1, max: 10_000 }).describe(
    'Attempts in progress per user and process',
  ),
  CALLBACK_RATE_PER_ENDPOINT: integer(600, { min: 1, max: 100_000 }).describe(
    'Attempts per second, endpoint and process. It halves on 429, 502, 504 and time-outs, and grows again with successes',
  ),
  CALLBACK_RATE_PER_USER: integer(600, { min: 1, max: 100_000 }).describe('Attempts per second, user and process'),
  CALLBACK_BREAKER_FAILURES: integer(10, { min: 1, max: 1_000_000 }).describe(
    'After this many consecutive attempts without a response, or with a 5xx, the deliveries of an endpoint wait, except for one probe after each pause',
  ),
  CALLBACK_BREAKER_PAUSE: duration('5s', { max: '1h' }).describe(
    'The first pause. It doubles with each probe that fails, up to CALLBACK_BREAKER_MAX_PAUSE, and varies at random',
  ),
  CALLBACK_BREAKER_MAX_PAUSE: duration('1m', { max: '1d' }).describe('The longest pause between two probes'),
  ENDPOINT_DISABLE_AFTER: durationOrOff('5d').describe(
    'An endpoint whose attempts have all failed for this time is disabled until its owner enables it; or `off`',
  ),
  CALLBACK_MAX_RETRY_AFTER: duration('1d').describe(
    'A longer `retry-after` of a receiver is reduced to this time. With 429 and 503 it is a pause of the whole endpoint',
  ),
};

/** Returns the limits from the settings. */
export function admissionLimitsOf(config: z.output<z.ZodObject<typeof endpointSettings>>): AdmissionLimits {
  return {
    concurrency: config.CALLBACK_CONCURRENCY,
    perEndpoint: config.CALLBACK_CONCURRENCY_PER_ENDPOINT,
    perOrigin: config.CALLBACK_CONCURRENCY_PER_ORIGIN,
    perUser: config.CALLBACK_CONCURRENCY_PER_USER,
    ratePerEndpoint: config.CALLBACK_RATE_PER_ENDPOINT,
    ratePerUser: config.CALLBACK_RATE_PER_USER,
    breakerFailures: config.CALLBACK_BREAKER_FAILURES,
    breakerPauseMs: config.CALLBACK_BREAKER_PAUSE,
    breakerMaxPauseMs: config.CALLBACK_BREAKER_MAX_PAUSE,
    maxRetryAfterMs: config.CALLBACK_MAX_RETRY_AFTER,
  };
}
