import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRealDatabase, realEngines } from '@voucher-gateway/platform/testing/real-engines';
import { createDistributedStack, type DistributedStack, serviceNames } from '@voucher-gateway/standalone/distributed';
import { inject } from 'vitest';
import { productionEnvironment } from '../production-environment.ts';
import type { Installation, RunningSystem } from '../system.ts';
import { showOnFailure } from './service-logs.ts';
import { servicePorts } from './service-ports.ts';

export interface DistributedSystem extends RunningSystem, DistributedStack {
  readonly databaseUrl: string;
  /** Prefix of the system's topics and groups on the broker. */
  readonly topicPrefix: string;
}

export interface DistributedInstallation extends Installation {
  start(): Promise<DistributedSystem>;
}

/** Installs one process per service on PostgreSQL, Redis and Kafka, with a separate database and topics. */
export async function installDistributed(environment: Record<string, string> = {}): Promise<DistributedInstallation> {
  await using releases = new AsyncDisposableStack();
  const database = releases.use(await createRealDatabase());
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-'));
  releases.defer(() => rm(folder, { recursive: true, force: true }));
  const topicPrefix = `test-${randomUUID()}.`;
  const given = {
    ...realEngines(),
    DATABASE_URL: database.url,
    KAFKA_PREFIX: topicPrefix,
    KAFKA_PARTITIONS: '3',
    VPS_STATE_FILE: join(folder, 'vps-mock.json'),
    LOG_LEVEL: 'warn',
    ...productionEnvironment,
    ...environment,
  };
  const ports = await servicePorts();
  const logFile = join(folder, 'services.log');
  releases.use(showOnFailure(logFile));
  const owned = releases.move();
  return {
    async start() {
      const stack = await createDistributedStack({
        installation: inject('installation'),
        environment: given,
        ports,
        logFile,
      });
      return {
        ...stack,
        databaseUrl: database.url,
        topicPrefix,
        stop: (signal) => Promise.all(serviceNames.map((name) => stack.kill(name, signal))),
      };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Installs and starts a system. Disposing removes it. */
export async function startDistributed(environment: Record<string, string> = {}): Promise<DistributedSystem> {
  await using releases = new AsyncDisposableStack();
  const installation = releases.use(await installDistributed(environment));
  const system: DistributedSystem = releases.use(await installation.start());
  const owned = releases.move();
  return { ...system, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
