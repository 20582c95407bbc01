import { systemClock } from '@voucher-gateway/platform/async/clock';
import { openDistributedEngines } from '@voucher-gateway/platform/engines/distributed';
import { openKeyValue } from '@voucher-gateway/platform/engines/kafka-and-redis';
import { runService } from '@voucher-gateway/platform/process/service';
import { openSecretBox } from '@voucher-gateway/platform/secrets/settings';
import { userProcessSettings } from './config.ts';
import { createUserService } from './server.ts';

await runService('user', userProcessSettings, async (config, log, releases, stopping) => {
  const engines = releases.use(await openDistributedEngines(config, log, { stopping }));
  const keyValue = releases.use(await openKeyValue(config, log));
  const secrets = openSecretBox(config.SECRETS_KEY, log);
  return createUserService({ ...engines, keyValue, secrets, clock: systemClock, config, log });
});
