import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { readConfig } from '@voucher-gateway/platform/process/config';
import { httpServerContract } from '@voucher-gateway/platform/testing/contract/http-server';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { startIssuer } from '@voucher-gateway/platform/testing/tokens';
import { voucherSettings } from './config.ts';
import { createVoucherService } from './server.ts';

httpServerContract(
  async (environment) => {
    await using releases = new AsyncDisposableStack();
    const clock = createTestClock();
    const log = createMemoryLog();
    const engines = releases.use(await openTestEngines({ clock, log }));
    const issuer = releases.use(await startIssuer());
    const config = readConfig(voucherSettings, { PORT: '0', JWKS_URL: issuer.jwksUrl, ...environment });
    const { url } = releases.use(await createVoucherService({ ...engines, config, log, clock }));
    const owned = releases.move();
    return { url, log, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  },
  ['/graphql'],
);
