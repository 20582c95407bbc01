import { systemClock } from '@voucher-gateway/platform/async/clock';
import { openDistributedEnginesWithJobs } from '@voucher-gateway/platform/engines/distributed';
import { runService } from '@voucher-gateway/platform/process/service';
import { consumerLimitsOf } from '@voucher-gateway/platform/topics/consumer-limits';
import { integrationProcessSettings } from './config.ts';
import { createVoucherIntegration } from './server.ts';

await runService('voucher-integration', integrationProcessSettings, async (config, log, releases, stopping) => {
  const engines = releases.use(
    await openDistributedEnginesWithJobs(config, log, { stopping, limits: consumerLimitsOf(config) }),
  );
  return createVoucherIntegration({ ...engines, clock: systemClock, config, log });
});
