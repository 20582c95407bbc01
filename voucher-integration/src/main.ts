import { systemClock } from '@voucher-gateway/platform/clock';
import { openDistributedEngines } from '@voucher-gateway/platform/distributed-engines';
import { runService } from '@voucher-gateway/platform/service-main';
import { integrationProcessSettings } from './config.ts';
import { createVoucherIntegration } from './server.ts';

await runService('voucher-integration', integrationProcessSettings, async (config, log, releases) => {
  const engines = releases.use(await openDistributedEngines(config, log));
  return createVoucherIntegration({ ...engines, clock: systemClock, config, log });
});
