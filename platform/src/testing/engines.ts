import { type Clock, systemClock } from '../clock.ts';
import type { Migrations } from '../database.ts';
import { type Engines, embeddedEnginesOn } from '../embedded-engines.ts';
import { type Log, silentLog } from '../log.ts';
import { openTestDatabase } from './database.ts';

export interface TestEngines extends Engines {
  clock: Clock;
  log: Log;
}

/** Embedded engines of a test's own, in memory. Use them with `await using`. */
export async function openTestEngines({
  migrations,
  clock = systemClock,
  log = silentLog,
  dataDir,
}: {
  migrations?: Migrations[];
  clock?: Clock;
  log?: Log;
  dataDir?: string;
} = {}): Promise<TestEngines> {
  const engines = await embeddedEnginesOn(await openTestDatabase({ migrations, clock, dataDir }), { clock, log });
  return { ...engines, clock, log };
}
