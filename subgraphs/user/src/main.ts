import { systemClock } from '@voucher-gateway/platform/async/clock';
import { openDistributedEngines, openKeyValue } from '@voucher-gateway/platform/engines/distributed';
import { runService } from '@voucher-gateway/platform/process/service';
import { createSecretBox } from '@voucher-gateway/platform/secrets/secret-box';
import { userProcessSettings } from './config.ts';
import { createUserService } from './server.ts';

await runService('user', userProcessSettings, async (config, log, releases, stopping) => {
  const engines = releases.use(await openDistributedEngines(config, log, { stopping }));
  const keyValue = releases.use(await openKeyValue(config, log));
  const secrets = createSecretBox(config.SECRETS_KEY);
  return createUserService({ ...engines, keyValue, secrets, clock: systemClock, config, log });
});
