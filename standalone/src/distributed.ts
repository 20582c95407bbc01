import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gatewaySettings } from '@voucher-gateway/gateway/config';
import {
  type Environment,
  readConfig,
  serviceSettings,
  shutdownDelayMs,
} from '@voucher-gateway/platform/process/config';
import { defaultStopMs } from '@voucher-gateway/platform/process/lifecycle';
import { z } from 'zod';
import { freePort, freePorts } from './engines/process.ts';
import { createServiceProcesses, type ServiceProcess } from './service-process.ts';
import type { Stack } from './stack.ts';

/** The services in the order of starting: dependencies come first. */
export const serviceNames = ['vps-mock', 'user', 'voucher', 'delivery', 'voucher-integration', 'gateway'] as const;
export type ServiceName = (typeof serviceNames)[number];

/** Entry file per service, relative to the installation. */
const entryFiles: Record<ServiceName, string> = {
  'vps-mock': 'vps-mock/src/main.ts',
  user: 'subgraphs/user/src/main.ts',
  voucher: 'subgraphs/voucher/src/main.ts',
  delivery: 'subgraphs/delivery/src/main.ts',
  'voucher-integration': 'voucher-integration/src/main.ts',
  gateway: 'gateway/src/main.ts',
};

/** Every service as a separate process, with the engines that the environment variables name. */
export interface DistributedStack extends Stack {
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly services: Readonly<Record<ServiceName, ServiceProcess>>;
  pidOf(name: ServiceName): number | undefined;
  /** How a service's process exited; nulls while it runs. */
  exitOf(name: ServiceName): { code: number | null; signal: NodeJS.Signals | null };
  /** Sends a signal to a service. Resolves when it has exited. */
  kill(name: ServiceName, signal: NodeJS.Signals): Promise<void>;
  /** Restarts a service on its port after it has exited. Resolves when the service is ready. */
  start(name: ServiceName): Promise<void>;
  /**
   * Starts another process of a service on a free port, which runs until the stack is disposed. Resolves when the
   * process is ready.
   */
  addReplica(name: ServiceName): Promise<ServiceProcess>;
}

export interface DistributedOptions {
  /** Settings of all services, including the addresses of the engines. */
  environment: Environment;
  /** Folder of the installation whose services are started. Default: this installation. */
  installation?: string;
  /** Preferred ports. A port that is in use is replaced by a free one. Default: free ports. */
  ports?: Partial<Record<ServiceName, number>>;
  /** File for the services' log. Default: standard error. */
  logFile?: string;
  onReady?(name: string, detail: string): void;
}

const thisInstallation = fileURLToPath(new URL('../..', import.meta.url));
/** The settings that determine how long shutdown may take. */
const stopSettings = z.object({ ...serviceSettings, DRAIN_WINDOW: gatewaySettings.shape.DRAIN_WINDOW });

/** Starts every service as a separate process. If a service fails to start, all services are stopped. */
export async function createDistributedStack(options: DistributedOptions): Promise<DistributedStack> {
  const { environment, installation = thisInstallation, ports = {}, logFile, onReady = () => {} } = options;
  await using releases = new AsyncDisposableStack();
  const log = logFile === undefined ? process.stderr : createWriteStream(logFile, { flags: 'a' });
  const found = await freePorts(serviceNames.map((name) => ports[name] ?? 0));
  const urls = Object.fromEntries(
    serviceNames.map((name, index) => [name, `http://127.0.0.1:${found[index]}`]),
  ) as Record<ServiceName, string>;
  const shared: Environment = {
    ...environment,
    JWKS_URL: `${urls.user}/.well-known/jwks.json`,
    WEBHOOKS_JWKS_URL: `${urls.delivery}/.well-known/webhooks-jwks.json`,
    SUBGRAPH_USER_URL: `${urls.user}/graphql`,
    SUBGRAPH_VOUCHER_URL: `${urls.voucher}/graphql`,
    SUBGRAPH_DELIVERY_URL: `${urls.delivery}/graphql`,
    VPS_URL: environment.VPS_URL ?? urls['vps-mock'],
  };
  const config = readConfig(stopSettings, environment);
  const stageMs = shutdownDelayMs(config) + defaultStopMs + 2_000;
  const processes = releases.use(
    createServiceProcesses({ installation, environment: shared, log, logsStop: logFile !== undefined, onReady }),
  );
  const createProcess = (name: ServiceName, url: string) =>
    processes.create({ name, url, entryFile: join(installation, entryFiles[name]) });
  const services = Object.fromEntries(serviceNames.map((name) => [name, createProcess(name, urls[name])])) as Record<
    ServiceName,
    ServiceProcess
  >;
  releases.defer(async () => {
    processes.noteStopping();
    // The gateway stops first, so that no new requests arrive. Then voucher-integration stops, and then all other services
    // concurrently.
    for (const name of ['gateway', 'voucher-integration'] as const) await services[name].kill('SIGTERM');
    await processes.stopAll(stageMs);
  });

  const isOurs = (name: ServiceName) => name !== 'vps-mock' || environment.VPS_URL === undefined;
  const wanted = serviceNames.filter(isOurs);
  // The services can start at the same time, because a lock in the database lets only one of them run migrations.
  // Services that need the public keys of `user` fetch them once `user` responds.
  await Promise.all(wanted.map((name) => services[name].start()));
  const owned = releases.move();
  return {
    // Time for three stages: the gateway, voucher-integration, and all other services. Each process also has a time-out
    // for its own shutdown.
    stopWithinMs: config.DRAIN_WINDOW + 3 * stageMs,
    gatewayUrl: urls.gateway,
    vpsUrl: shared.VPS_URL ?? '',
    integrationUrl: urls['voucher-integration'],
    urls,
    services,
    pidOf: (name) => services[name].pid,
    exitOf: (name) => services[name].exit,
    kill: (name, signal) => services[name].kill(signal),
    start: (name) => services[name].start(),
    async addReplica(name) {
      const replica = createProcess(name, `http://127.0.0.1:${await freePort(0)}`);
      await replica.start();
      return replica;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
