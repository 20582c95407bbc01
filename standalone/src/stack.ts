import { join } from 'node:path';
import { createGateway } from '@voucher-gateway/gateway/server';
import { type Clock, systemClock } from '@voucher-gateway/platform/async/clock';
import type { Database } from '@voucher-gateway/platform/database';
import type { DataDirectory } from '@voucher-gateway/platform/database/embedded/data-directory';
import { openEmbeddedEngines } from '@voucher-gateway/platform/engines/embedded';
import { httpLimitsOf } from '@voucher-gateway/platform/http/server';
import { shutdownDelayMs } from '@voucher-gateway/platform/process/config';
import { defaultStopMs, type Service, type Stoppable } from '@voucher-gateway/platform/process/lifecycle';
import { createLog, type Log } from '@voucher-gateway/platform/process/log';
import { consumerLimitsOf } from '@voucher-gateway/platform/topics/consumer-limits';
import { embeddedDeadLetters } from '@voucher-gateway/platform/topics/dead-letter-reader';
import { supergraphSdl } from '@voucher-gateway/schema/sdl';
import { createDeliveryService } from '@voucher-gateway/subgraph-delivery/server';
import { createUserService } from '@voucher-gateway/subgraph-user/server';
import { createVoucherService } from '@voucher-gateway/subgraph-voucher/server';
import { createVoucherIntegration } from '@voucher-gateway/voucher-integration/server';
import { createVpsMock, type VpsMock } from '@voucher-gateway/vps-mock/server';
import type { StandaloneConfig } from './config.ts';
import { runDeadLettersCommand } from './dead-letters/command.ts';
import { serveCommands } from './dead-letters/control.ts';
import { deadLettersUsage, parseDeadLettersCommand } from './dead-letters/parse-command.ts';
import { openEmbeddedSecrets } from './embedded-secrets.ts';

/** All services in one process. Disposing stops the gateway first, and then all other services. */
export interface Stack extends Stoppable {
  readonly gatewayUrl: string;
  /** `VPS_URL`, or the URL of the simulated provider. */
  readonly vpsUrl: string;
  readonly integrationUrl: string;
}

export interface StackOptions {
  config: StandaloneConfig;
  /**
   * The data folder, if the caller has locked it. In that case, the caller disposes the folder after the stack.
   * Default: the stack itself locks DATA_DIR.
   */
  directory?: DataDirectory;
  clock?: Clock;
  /** Called when the engines are ready, and when each service is ready. */
  onReady?(part: string, detail: string): void;
  /** A log by service. Default: JSON lines to standard error. */
  logOf?(service: string): Log;
}

/**
 * Returns the total time-out of shutdown: `DRAIN_WINDOW` and `defaultStopMs` for the gateway, and then `defaultStopMs`
 * for all other parts.
 */
export function stopWithinMs({ DRAIN_WINDOW }: Pick<StandaloneConfig, 'DRAIN_WINDOW'>): number {
  return DRAIN_WINDOW + 2 * defaultStopMs;
}

/**
 * Starts every service on embedded engines. If a part fails to start, the parts that already run are stopped.
 *
 * @throws CodedError DATA_DIR_LOCKED, DATA_DIR_UNWRITABLE, DATA_DIR_CORRUPT, PORT_TAKEN, SECRETS_KEY_WRONG
 */
export async function createStack({
  config,
  directory,
  clock = systemClock,
  onReady = () => {},
  logOf,
}: StackOptions): Promise<Stack> {
  await using releases = new AsyncDisposableStack();
  const log = logOf ?? ((service: string) => createLog({ level: config.LOG_LEVEL, service }));
  const inside = { HOST: '127.0.0.1', PORT: 0 };
  const services: Service[] = [];
  const own = <Started extends Service>(service: Started): Started => {
    services.push(service);
    return releases.use(service);
  };

  const engines = releases.use(
    await openEmbeddedEngines({
      dataDir: config.DATA_DIR,
      directory,
      clock,
      log: log('engines'),
      limits: consumerLimitsOf(config),
    }),
  );
  const { database, topics, keyValue, jobs } = engines;
  onReady('engines', `embedded, data in ${config.DATA_DIR}`);
  const secrets = await openEmbeddedSecrets(config, database);
  const engine = { clock, database, topics, keyValue, jobs, secrets };

  const user = own(await createUserService({ ...engine, config: { ...config, ...inside }, log: log('user') }));
  const JWKS_URL = `${user.url}/.well-known/jwks.json`;
  onReady('user', user.url);

  const vpsUrl = config.VPS_URL ?? own(await startProvider(config, { clock, log: log('vps-mock') })).url;
  if (config.VPS_URL === undefined) onReady('vps-mock', `${vpsUrl}, profile ${config.VPS_PROFILE}`);
  else onReady('provider', vpsUrl);

  const delivery = own(
    await createDeliveryService({
      ...engine,
      config: { ...config, ...inside, PORT: config.DELIVERY_PORT, JWKS_URL },
      portSetting: 'DELIVERY_PORT',
      log: log('delivery'),
    }),
  );
  onReady('delivery', delivery.url);
  const voucher = own(
    await createVoucherService({ ...engine, config: { ...config, ...inside, JWKS_URL }, log: log('voucher') }),
  );
  onReady('voucher', voucher.url);
  const integration = own(
    await createVoucherIntegration({
      ...engine,
      config: { ...config, PORT: config.INTEGRATION_PORT, VPS_URL: vpsUrl },
      portSetting: 'INTEGRATION_PORT',
      log: log('voucher-integration'),
    }),
  );
  onReady('voucher-integration', integration.url);

  const subgraphs = { user, voucher, delivery };
  const urlOf = ({ url }: Service) => `${url}/graphql`;
  const gateway = own(
    await createGateway({
      clock,
      keyValue,
      topics,
      supergraphSdl: supergraphSdl(),
      subgraphUrls: Object.fromEntries(Object.entries(subgraphs).map(([name, service]) => [name, urlOf(service)])),
      localCalls: new Map(Object.values(subgraphs).map((service) => [urlOf(service), service.call])),
      config: {
        ...config,
        PORT: config.GATEWAY_PORT,
        JWKS_URL,
        WEBHOOKS_JWKS_URL: `${delivery.url}/.well-known/webhooks-jwks.json`,
      },
      portSetting: 'GATEWAY_PORT',
      log: log('gateway'),
    }),
  );
  releases.use(await serveDeadLetters(database, { dataDir: config.DATA_DIR, log: log('engines') }));
  onReady('gateway', `${gateway.url}/graphql`);

  const owned = releases.move();
  return {
    retire() {
      for (const service of services) service.retire?.();
    },
    shutdownDelayMs: shutdownDelayMs(config),
    stopWithinMs: stopWithinMs(config),
    gatewayUrl: gateway.url,
    vpsUrl,
    integrationUrl: integration.url,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Starts the simulated provider. */
function startProvider(config: StandaloneConfig, { clock, log }: { clock: Clock; log: Log }): Promise<VpsMock> {
  return createVpsMock({
    clock,
    log,
    host: config.HOST,
    port: config.VPS_PORT,
    limits: httpLimitsOf(config),
    portSetting: 'VPS_PORT',
    profile: config.VPS_PROFILE,
    seed: config.VPS_SEED,
    stateFile: join(config.DATA_DIR, 'vps-mock.json'),
  });
}

/** Serves `npm run dead-letters`, because only this process can use the embedded database. */
function serveDeadLetters(
  database: Database,
  { dataDir, log }: { dataDir: string; log: Log },
): Promise<AsyncDisposable> {
  const readDeadLetters = embeddedDeadLetters(database);
  return serveCommands({
    dataDir,
    log,
    async run(words) {
      const command = parseDeadLettersCommand(words);
      if (!command) return { done: false, message: deadLettersUsage };
      return runDeadLettersCommand({ database, readDeadLetters }, command);
    },
  });
}
