import { join } from 'node:path';
import {
  createDistributedStack,
  type DistributedStack,
  type ServiceName,
  serviceNames,
} from '@voucher-gateway/standalone/distributed';
import { type Engines, startEngines } from '@voucher-gateway/standalone/engines/engines';
import { startKafka } from '@voucher-gateway/standalone/engines/kafka';
import type { ServiceProcess } from '@voucher-gateway/standalone/service-process';
import { productionEnvironment } from '../../production-environment.ts';
import { type DatabaseProxy, startDatabaseProxy } from './database-proxy.ts';

/** A process of the system, with its service. */
export interface SystemProcess extends ServiceProcess {
  /** The service and its number, such as `voucher-2`. */
  readonly name: string;
  readonly service: ServiceName;
}

/** The distributed stack on engines of its own. Faults use its members to disturb the system. */
export interface SoakSystem extends AsyncDisposable {
  readonly stack: DistributedStack;
  readonly engines: Engines;
  /** The proxy between all services and PostgreSQL. */
  readonly database: DatabaseProxy;
  readonly processes: readonly SystemProcess[];
  readonly gatewayUrls: readonly string[];
  /** Settings for the operator's commands. */
  readonly environment: Readonly<Record<string, string>>;
  killKafka(): Promise<void>;
  startKafka(): Promise<void>;
}

export interface SoakSystemOptions {
  /** Folder for data and logs. */
  folder: string;
  /** Folder of the installation whose services are started. Default: this repository. */
  installation?: string;
  ports?: Partial<Record<ServiceName, number>>;
  /** File for the services' log. */
  logFile: string;
}

/** Services with a second process, which takes over while the first is frozen. */
const replicas: readonly ServiceName[] = ['gateway', 'voucher'];

const settings = {
  ...productionEnvironment,
  LOG_LEVEL: 'warn',
  VPS_PROFILE: 'mixed',
  VPS_RETRY_BASE: '500ms',
  VPS_RETRY_MAX: '10s',
  CALLBACK_TIMEOUT: '3s',
  CALLBACK_RETRY_SCHEDULE: '500ms,1s,2s,5s,5s,10s,10s,10s,15s,15s,15s,15s,15s,15s,15s',
  DRAIN_WINDOW: '1s',
  KAFKA_PARTITIONS: '6',
};

export async function startSoakSystem(options: SoakSystemOptions): Promise<SoakSystem> {
  const { folder, installation, ports, logFile } = options;
  await using releases = new AsyncDisposableStack();
  const enginesFolder = join(folder, 'engines');
  const engines = releases.use(await startEngines({ folder: enginesFolder, standardPorts: false }));
  let kafka = engines.kafka.process;
  releases.defer(() => kafka[Symbol.asyncDispose]());
  const database = releases.use(await startDatabaseProxy(engines.postgres.url));
  const environment = {
    ...engines.environment,
    DATABASE_URL: database.url,
    ...settings,
    VPS_STATE_FILE: join(folder, 'vps-mock.json'),
  };
  const stack = releases.use(await createDistributedStack({ environment, installation, ports, logFile }));
  const processes: SystemProcess[] = serviceNames.map((service) => withName(stack.services[service], service, service));
  for (const service of replicas) processes.push(withName(await stack.addReplica(service), `${service}-2`, service));

  const port = Number(engines.kafka.brokers.split(':')[1]);
  const owned = releases.move();
  return {
    stack,
    engines,
    database,
    processes,
    gatewayUrls: processes.filter(({ service }) => service === 'gateway').map(({ url }) => url),
    environment: { ...environment, DATABASE_URL: engines.postgres.url },
    async killKafka() {
      kafka.kill('SIGKILL');
      await kafka[Symbol.asyncDispose]();
    },
    async startKafka() {
      const started = await startKafka({ folder: enginesFolder, libraries: engines.kafka.libraries, port });
      kafka = started.process;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * Adds a name and a service to a process. The result inherits the getters of `of`. A spread would copy their values,
 * but `pid` and `exit` change with each start.
 */
function withName(of: ServiceProcess, name: string, service: ServiceName): SystemProcess {
  return Object.assign(Object.create(of), { name, service });
}
