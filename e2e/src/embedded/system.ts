import { cp } from 'node:fs/promises';
import { readConfig } from '@voucher-gateway/platform/process/config';
import { standaloneSettings } from '@voucher-gateway/standalone/config';
import { createStack } from '@voucher-gateway/standalone/stack';
import { createTemporaryStack } from '@voucher-gateway/standalone/temporary-stack';
import { inject } from 'vitest';
import { createSetup, type StandaloneSetup, startStandalone } from '../standalone-process.ts';
import type { Install, StartSystem } from '../system.ts';

/** Rate limits are off, because all customers of a suite have the same address. */
const withoutRateLimits = { RATE_LIMITS: 'off' };

/** Starts everything in this process, on embedded engines. */
export const startEmbedded: StartSystem = (environment = {}) =>
  createTemporaryStack({
    environment: { ...withoutRateLimits, ...environment },
    dataFrom: inject('emptyDataDirectory'),
  });

/** Starts everything in this process, with the data folder and the ports of a setup. */
export const startHere = (setup: StandaloneSetup) =>
  createStack({
    config: readConfig(standaloneSettings, { LOG_LEVEL: 'silent', ...withoutRateLimits, ...setup.environment }),
  });

/**
 * Creates a setup, and copies an empty database into it. A start that has to create the database would take twice as
 * long.
 */
export async function createPreparedSetup(): Promise<StandaloneSetup> {
  await using releases = new AsyncDisposableStack();
  const setup = releases.use(await createSetup());
  await cp(inject('emptyDataDirectory'), setup.dataDir, { recursive: true });
  releases.move();
  return setup;
}

/** Installs `npm start` as a separate process. */
export const installEmbedded: Install = async (environment) => {
  const setup = await createPreparedSetup();
  return {
    start: () => startStandalone({ ...setup.environment, ...withoutRateLimits, ...environment }),
    [Symbol.asyncDispose]: () => setup[Symbol.asyncDispose](),
  };
};
