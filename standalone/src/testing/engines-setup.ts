import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEngines } from '../engines/engines.ts';

const names = ['DATABASE_URL', 'REDIS_URL', 'KAFKA_BROKERS'];

/**
 * Provides PostgreSQL, Redis and Kafka to the tests. If the environment variables name engines, the tests use these.
 * Otherwise engines are started for this run. All vitest projects of a run share the engines.
 */
export default async function setup({ vitest }: TestProject) {
  const project = vitest.getRootProject();
  if (project.getProvidedContext().engines) return;
  const given = names.map((name) => [name, process.env[name] ?? ''] as const);
  if (given.every(([, value]) => value !== '')) {
    project.provide('engines', Object.fromEntries(given) as never);
    return;
  }
  await using releases = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-engines-'));
  releases.defer(() => rm(folder, { recursive: true, force: true }));
  const engines = releases.use(await startEngines({ folder, standardPorts: false }));
  project.provide('engines', engines.environment as never);
  const owned = releases.move();
  return () => owned.disposeAsync();
}
