import { type Clock, systemClock } from '../async/clock.ts';
import type { Migrations } from '../database.ts';
import { type Engines, embeddedEnginesOn, embeddedStoresOn } from '../engines/embedded.ts';
import { type Log, silentLog } from '../process/log.ts';
import type { SecretBox } from '../secrets/secret-box.ts';
import type { ConsumerLimits } from '../topics/consumer-limits.ts';
import { openTestDatabase } from './database.ts';
import { createTestSecrets } from './secrets.ts';

export interface TestEngines extends Omit<Engines, 'jobs'> {
  clock: Clock;
  log: Log;
  /** Encrypts the secrets that some services store. */
  secrets: SecretBox;
}

export interface TestEnginesOptions {
  migrations?: Migrations[];
  clock?: Clock;
  log?: Log;
  dataDir?: string;
  limits?: Partial<ConsumerLimits>;
}

/**
 * Opens database, topics and key-value store in memory for one test, without jobs. Use the result with `await using`.
 */
export async function openTestEngines({
  migrations,
  clock = systemClock,
  log = silentLog,
  dataDir,
  limits,
}: TestEnginesOptions = {}): Promise<TestEngines> {
  const engines = await embeddedStoresOn(await openTestDatabase({ migrations, clock, dataDir }), {
    clock,
    log,
    limits,
  });
  return { ...engines, clock, log, secrets: createTestSecrets() };
}

/** Like `openTestEngines`, with jobs, which start more slowly than all other engines. */
export async function openTestEnginesWithJobs({
  migrations,
  clock = systemClock,
  log = silentLog,
  dataDir,
  limits,
}: TestEnginesOptions = {}): Promise<TestEngines & Engines> {
  const engines = await embeddedEnginesOn(await openTestDatabase({ migrations, clock, dataDir }), {
    clock,
    log,
    limits,
  });
  return { ...engines, clock, log, secrets: createTestSecrets() };
}
