import { systemClock } from '@voucher-gateway/platform/async/clock';
import type { Engines } from '@voucher-gateway/platform/engines/embedded';
import { readConfig } from '@voucher-gateway/platform/process/config';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { createTestSecrets } from '@voucher-gateway/platform/testing/secrets';
import { deliverySettings } from '../config.ts';
import { createDeliveryService } from '../server.ts';

const options = { clock: systemClock, log: silentLog };

/** The service that a test kills. The test then starts the service again, with the same settings and secrets. */
export const killedService = {
  options,
  start: (engines: Omit<Engines, 'jobs'>) =>
    createDeliveryService({
      ...engines,
      ...options,
      secrets: createTestSecrets(),
      config: readConfig(deliverySettings, { PORT: '0', JWKS_URL: 'http://127.0.0.1:9/', SMS: 'off' }),
    }),
};
