import { systemClock } from '@voucher-gateway/platform/async/clock';
import { openDistributedEngines, openKeyValue } from '@voucher-gateway/platform/engines/distributed';
import { runService } from '@voucher-gateway/platform/process/service';
import { userProcessSettings } from './config.ts';
import { createUserService } from './server.ts';

await runService('user', userProcessSettings, async (config, log, releases, stopping) => {
  const engines = releases.use(await openDistributedEngines(config, log, { stopping }));
  const keyValue = releases.use(await openKeyValue(config, log));
  return createUserService({ ...engines, keyValue, clock: systemClock, config, log });
});
