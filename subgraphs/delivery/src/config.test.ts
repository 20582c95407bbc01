import { callbackUrlPolicy } from '@voucher-gateway/platform/egress/settings';
import { readConfig } from '@voucher-gateway/platform/process/config';
import { expect, it } from 'vitest';
import { deliverySettings } from './config.ts';

const read = (environment: Record<string, string> = {}) =>
  readConfig(deliverySettings, { JWKS_URL: 'http://127.0.0.1/jwks.json', ...environment });

it('CALLBACK_RETRY_SCHEDULE: defaults to the example of Standard Webhooks', () => {
  const [second, minute, hour] = [1_000, 60_000, 3_600_000];
  expect(read().CALLBACK_RETRY_SCHEDULE).toEqual([
    5 * second,
    5 * minute,
    30 * minute,
    2 * hour,
    5 * hour,
    10 * hour,
    14 * hour,
    20 * hour,
    24 * hour,
  ]);
  expect(read({ CALLBACK_RETRY_SCHEDULE: '20ms, 1s' }).CALLBACK_RETRY_SCHEDULE).toEqual([20, 1_000]);
});

it.each(['soon', '5s,', '0s', '5s;5m'])('CALLBACK_RETRY_SCHEDULE: rejects %s', (text) => {
  expect(() => read({ CALLBACK_RETRY_SCHEDULE: text })).toThrow(/CALLBACK_RETRY_SCHEDULE must be durations/);
});

it.each([
  ['development', undefined, true],
  ['production', undefined, false],
  ['production', 'true', true],
  ['development', 'false', false],
])('CALLBACK_ALLOW_LOOPBACK: in %s, set to %s, allows loopback: %s', (NODE_ENV, flag, expected) => {
  const config = read({ NODE_ENV, ...(flag !== undefined && { CALLBACK_ALLOW_LOOPBACK: flag }) });
  expect(callbackUrlPolicy(config).allowLoopback).toBe(expected);
});

it('CALLBACK_ALLOW_LOOPBACK: rejects a value other than true and false', () => {
  expect(() => read({ CALLBACK_ALLOW_LOOPBACK: 'yes' })).toThrow(/CALLBACK_ALLOW_LOOPBACK must be true or false/);
});
