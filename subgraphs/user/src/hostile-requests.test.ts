import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { readConfig } from '@voucher-gateway/platform/process/config';
import { httpServerContract } from '@voucher-gateway/platform/testing/contract/http-server';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { userSettings } from './config.ts';
import { createUserService } from './server.ts';

httpServerContract(
  async (environment) => {
    await using releases = new AsyncDisposableStack();
    const clock = createTestClock();
    const log = createMemoryLog();
    const engines = releases.use(await openTestEngines({ clock, log }));
    const config = readConfig(userSettings, { PORT: '0', ...environment });
    const { url } = releases.use(await createUserService({ ...engines, config, log, clock }));
    const owned = releases.move();
    return { url, log, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  },
  ['/graphql'],
);
