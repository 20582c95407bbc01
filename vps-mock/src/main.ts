import { readConfig } from '@voucher-gateway/platform/config';
import { run } from '@voucher-gateway/platform/lifecycle';
import { createLog } from '@voucher-gateway/platform/log';
import { vpsMockSettings } from './config.ts';
import { createVpsMock } from './server.ts';

const log = createLog({ level: process.env.LOG_LEVEL || 'info', service: 'vps-mock' });
await run(
  async () => {
    const config = readConfig(vpsMockSettings, process.env);
    const mock = await createVpsMock({
      log,
      host: config.HOST,
      port: config.PORT,
      profile: config.VPS_PROFILE,
      seed: config.VPS_SEED,
      stateFile: config.VPS_STATE_FILE,
    });
    log.info({ url: mock.url, profile: config.VPS_PROFILE }, 'ready');
    return mock;
  },
  { log },
);
