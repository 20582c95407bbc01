import { serviceNames } from '@voucher-gateway/standalone/distributed';
import { freePorts } from '@voucher-gateway/standalone/engines/process';

/**
 * The ports are below the ephemeral ports. So no outgoing connection can take a port before the service listens on it.
 */
const firstPort = 10_000;
const portsPerWorker = 5_000;

let next = 0;

/** Returns a port for each service. Each worker has a separate range of ports, because test files run concurrently. */
export async function servicePorts(): Promise<Record<string, number>> {
  const worker = Number(process.env.VITEST_POOL_ID);
  // The test files of a worker run in sequence. Each file gets other ports, because services of the previous file may
  // still be stopping.
  next ||= process.pid;
  const wanted = serviceNames.map(() => firstPort + (worker - 1) * portsPerWorker + (next++ % portsPerWorker));
  const ports = await freePorts(wanted);
  return Object.fromEntries(serviceNames.map((name, index) => [name, ports[index] as number]));
}
