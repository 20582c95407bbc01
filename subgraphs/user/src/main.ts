import { systemClock } from '@voucher-gateway/platform/clock';
import { openDistributedEngines, openKeyValue } from '@voucher-gateway/platform/distributed-engines';
import { runService } from '@voucher-gateway/platform/service-main';
import { userProcessSettings } from './config.ts';
import { createUserService } from './server.ts';

await runService('user', userProcessSettings, async (config, log, releases, stopping) => {
  const engines = releases.use(await openDistributedEngines(config, log, { stopping }));
  const keyValue = releases.use(await openKeyValue(config, log));
  return createUserService({ ...engines, keyValue, clock: systemClock, config, log });
});
