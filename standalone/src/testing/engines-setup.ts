import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isCodedError } from '@voucher-gateway/platform/errors';
import type { TestProject } from 'vitest/node';
import { startEngines } from '../engines/engines.ts';

const names = ['DATABASE_URL', 'REDIS_URL', 'KAFKA_BROKERS'];

/**
 * The engines for the suites that need real ones: those that the environment names, else started for this run
 * where the machine has them. `ENGINES=none` leaves those suites out; `ENGINES=required` fails without them.
 */
export default async function setup(project: TestProject) {
  const wish = process.env.ENGINES ?? '';
  const given = names.map((name) => [name, process.env[name] ?? ''] as const);
  if (wish === 'none') return leftOut(project, 'ENGINES=none');
  if (given.every(([, value]) => value !== '')) {
    project.provide('engines', Object.fromEntries(given) as never);
    return () => say('Ran on the embedded engines, and on PostgreSQL, Redis and Kafka as the environment names them.');
  }
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-engines-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const engines = await startEngines({ folder, standardPorts: false });
    project.provide('engines', engines.environment as never);
    return async () => {
      await engines[Symbol.asyncDispose]();
      await remove();
      say('Ran on the embedded engines, and on PostgreSQL, Redis and Kafka of this machine.');
    };
  } catch (error) {
    await remove();
    if (wish === 'required' || !isCodedError(error, 'ENGINE_MISSING')) throw error;
    return leftOut(project, error.message);
  }
}

function leftOut(project: TestProject, why: string) {
  project.provide('engines', null);
  return () => say(`Ran on the embedded engines. Left out: the suites on PostgreSQL, Redis and Kafka (${why}).`);
}

function say(line: string) {
  process.stdout.write(`\n${line}\n`);
}
