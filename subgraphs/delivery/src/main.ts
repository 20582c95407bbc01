import { systemClock } from '@voucher-gateway/platform/async/clock';
import { openDistributedEngines } from '@voucher-gateway/platform/engines/distributed';
import { openKeyValue } from '@voucher-gateway/platform/engines/kafka-and-redis';
import { runService } from '@voucher-gateway/platform/process/service';
import { openSecretBox } from '@voucher-gateway/platform/secrets/settings';
import { consumerLimitsOf } from '@voucher-gateway/platform/topics/consumer-limits';
import { deliveryProcessSettings } from './config.ts';
import { createDeliveryService } from './server.ts';

await runService('delivery', deliveryProcessSettings, async (config, log, releases, stopping) => {
  const engines = releases.use(
    await openDistributedEngines(config, log, { stopping, limits: consumerLimitsOf(config) }),
  );
  const keyValue = releases.use(await openKeyValue(config, log));
  const secrets = openSecretBox(config.SECRETS_KEY, log);
  return createDeliveryService({ ...engines, keyValue, secrets, clock: systemClock, config, log });
});
