import { httpLimitsOf } from '@voucher-gateway/platform/http/server';
import { runService } from '@voucher-gateway/platform/process/service';
import { vpsMockProcessSettings } from './config.ts';
import { createVpsMock } from './server.ts';

await runService('vps-mock', vpsMockProcessSettings, (config, log) =>
  createVpsMock({
    log,
    host: config.HOST,
    port: config.PORT,
    limits: httpLimitsOf(config),
    profile: config.VPS_PROFILE,
    seed: config.VPS_SEED,
    stateFile: config.VPS_STATE_FILE,
  }),
);
