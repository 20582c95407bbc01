import { systemClock } from '@voucher-gateway/platform/async/clock';
import { openDistributedEngines } from '@voucher-gateway/platform/engines/distributed';
import { openKeyValue } from '@voucher-gateway/platform/engines/kafka-and-redis';
import { runService } from '@voucher-gateway/platform/process/service';
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
