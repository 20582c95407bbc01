import { systemClock } from '@voucher-gateway/platform/clock';
import { openDistributedEngines, openKeyValue } from '@voucher-gateway/platform/distributed-engines';
import { runService } from '@voucher-gateway/platform/service-main';
import { consumerLimitsOf } from '@voucher-gateway/platform/topics/consumer-limits';
import { voucherProcessSettings } from './config.ts';
import { createVoucherService } from './server.ts';

await runService('voucher', voucherProcessSettings, async (config, log, releases, stopping) => {
  const engines = releases.use(
    await openDistributedEngines(config, log, { stopping, limits: consumerLimitsOf(config) }),
  );
  const keyValue = releases.use(await openKeyValue(config, log));
  return createVoucherService({ ...engines, keyValue, clock: systemClock, config, log });
});
