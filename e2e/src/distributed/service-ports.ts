import { serviceNames } from '@voucher-gateway/standalone/distributed';
import { freePorts } from '@voucher-gateway/standalone/engines/process';

/** Below those that systems give to outgoing connections, so that none takes a port while its service starts. */
const firstPort = 10_000;
const portsPerWorker = 5_000;

let next = 0;

/** A port for each service, out of this worker's own range: test files that run side by side start services at once. */
export async function servicePorts(): Promise<Record<string, number>> {
  const worker = Number(process.env.VITEST_POOL_ID);
  // Files of one worker follow each other; what the one before them left on its way out has other ports.
  next ||= process.pid;
  const wanted = serviceNames.map(() => firstPort + (worker - 1) * portsPerWorker + (next++ % portsPerWorker));
  const ports = await freePorts(wanted);
  return Object.fromEntries(serviceNames.map((name, index) => [name, ports[index] as number]));
}
