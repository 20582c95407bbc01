import { readConfig } from '@voucher-gateway/platform/process/config';
import { expect, it } from 'vitest';
import { userSettings } from './config.ts';

it('config: rejects contradictory settings, naming both', () => {
  expect(() => readConfig(userSettings, { SESSION_IDLE: '2h', SESSION_MAX: '1h' })).toThrow(
    /SESSION_IDLE.*SESSION_MAX/,
  );
});
