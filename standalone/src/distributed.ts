import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gatewaySettings } from '@voucher-gateway/gateway/config';
import { type Environment, readConfig, serviceSettings, shutdownDelayMs } from '@voucher-gateway/platform/config';
import { defaultStopMs } from '@voucher-gateway/platform/lifecycle';
import { z } from 'zod';
import { freePort, freePorts, stopProcess } from './engines/process.ts';
import { nodeOptions } from './node-options.ts';
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

/** The process of a service. */
export interface ServiceProcess {
  readonly url: string;
  readonly pid: number | undefined;
  /** How it exited; nulls while it runs. */
  readonly exit: { code: number | null; signal: NodeJS.Signals | null };
  /** Sends it a signal. Resolves when it has exited. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Restarts it on its port after it has exited. Resolves when it is ready. */
  start(): Promise<void>;
}

/** All services as processes, on the engines of the environment. */
export interface DistributedStack extends Stack {
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly services: Readonly<Record<ServiceName, ServiceProcess>>;
  pidOf(name: ServiceName): number | undefined;
  /** How a service's process exited; nulls while it runs. */
  exitOf(name: ServiceName): { code: number | null; signal: NodeJS.Signals | null };
  /** Sends a signal to a service. Resolves when it has exited. */
  kill(name: ServiceName, signal: NodeJS.Signals): Promise<void>;
  /** Restarts a service on its port after it has exited. Resolves when it is ready. */
  start(name: ServiceName): Promise<void>;
  /** Starts another process of a service on a free port, until the stack is disposed. Resolves when it is ready. */
  addReplica(name: ServiceName): Promise<ServiceProcess>;
}

export interface DistributedOptions {
  /** Settings of all services, with the engines. */
  environment: Environment;
  /** Folder of an installation whose services to start. Default: this one. */
  installation?: string;
  /** Preferred ports; a free one replaces one that is in use. Default: free ports. */
  ports?: Partial<Record<ServiceName, number>>;
  /** File for the services' log. Default: standard error. */
  logFile?: string;
  onReady?(name: string, detail: string): void;
}

const readyWithinMs = 60_000;
const thisInstallation = fileURLToPath(new URL('../..', import.meta.url));
/** The settings that determine how long shutdown may take. */
const stopSettings = z.object({ ...serviceSettings, DRAIN_WINDOW: gatewaySettings.shape.DRAIN_WINDOW });

/** Starts every service as a separate process. If one fails, all are stopped. */
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
    SUBGRAPH_USER_URL: `${urls.user}/graphql`,
    SUBGRAPH_VOUCHER_URL: `${urls.voucher}/graphql`,
    SUBGRAPH_DELIVERY_URL: `${urls.delivery}/graphql`,
    VPS_URL: environment.VPS_URL ?? urls['vps-mock'],
  };
  const config = readConfig(stopSettings, environment);
  const stageMs = shutdownDelayMs(config) + defaultStopMs + 2_000;
  const children = new Set<ChildProcess>();
  const killed = new WeakSet<ChildProcess>();
  let isStopping = false;

  const createProcess = (name: ServiceName, url: string): ServiceProcess => {
    let child: ChildProcess | undefined;
    const exit = () => ({ code: child?.exitCode ?? null, signal: child?.signalCode ?? null });
    const hasEnded = () => exit().code !== null || exit().signal !== null;
    return {
      url,
      get pid() {
        return child?.pid;
      },
      get exit() {
        return exit();
      },
      async kill(signal) {
        if (!child || hasEnded()) return;
        const ended = once(child, 'exit');
        killed.add(child);
        child.kill(signal);
        await ended;
      },
      async start() {
        // Runs node directly: npm does not forward signals and wait.
        const starting = spawn(process.execPath, [...nodeOptions, join(installation, entryFiles[name])], {
          cwd: installation,
          env: { ...process.env, ...shared, PORT: new URL(url).port },
          stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
          detached: true,
        });
        // Another process may have taken the port meanwhile, and would respond to the readiness check.
        let listens = false;
        starting.once('message', () => {
          listens = true;
        });
        starting.once('exit', (code, signal) => {
          if (listens && !isStopping && !killed.has(starting))
            log.write(`${name} ended by itself: ${signal ?? `exit code ${code}`}\n`);
        });
        if (child) children.delete(child);
        child = starting;
        children.add(starting);
        let output = '';
        for (const stream of [starting.stdout, starting.stderr])
          stream?.on('data', (chunk: Buffer) => {
            output = (output + chunk).slice(-4_000);
            if (!isStopping || logFile !== undefined) log.write(chunk);
          });
        const deadline = Date.now() + readyWithinMs;
        while (!listens || !(await isReady(url))) {
          if (hasEnded()) throw new Error(`${name} ended:\n${output}`);
          if (Date.now() > deadline)
            throw new Error(`${name} is not ready after ${readyWithinMs / 1_000} s:\n${output}`);
          await sleep(50);
        }
        onReady(name, url);
      },
    };
  };
  const services = Object.fromEntries(serviceNames.map((name) => [name, createProcess(name, urls[name])])) as Record<
    ServiceName,
    ServiceProcess
  >;
  const forget = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  process.once('exit', forget);
  releases.defer(() => void process.off('exit', forget));
  releases.defer(async () => {
    isStopping = true;
    // In reverse order, concurrently where possible: first intake at the gateway ends, then the services behind it.
    for (const name of ['gateway', 'voucher-integration'] as const) await services[name].kill('SIGTERM');
    await Promise.all([...children].map((child) => stopProcess(child, 'SIGTERM', stageMs)));
  });

  const isOurs = (name: ServiceName) => name !== 'vps-mock' || environment.VPS_URL === undefined;
  const wanted = serviceNames.filter(isOurs);
  // The others need the keys of user. They start concurrently: migrations lock each other.
  await Promise.all(wanted.map((name) => services[name].start()));
  const owned = releases.move();
  return {
    // The gateway, voucher-integration, then the rest. Each process forces its own exit in time.
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

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}
