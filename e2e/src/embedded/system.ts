import { cp } from 'node:fs/promises';
import { createTemporaryStack } from '@voucher-gateway/standalone/temporary-stack';
import { inject } from 'vitest';
import { makePlace, type Place, startStandalone } from '../standalone-process.ts';
import type { Install, StartSystem } from '../system.ts';

/** All customers of a suite have the same address. */
const withoutRateLimits = { RATE_LIMITS: 'off' };

/** Starts everything in this process, on embedded engines. */
export const startEmbedded: StartSystem = (environment = {}) =>
  createTemporaryStack({
    environment: { ...withoutRateLimits, ...environment },
    dataFrom: inject('emptyDataDirectory'),
  });

/** An installation with an empty database: a first start takes twice as long as later ones. */
export async function makePreparedPlace(): Promise<Place> {
  await using releases = new AsyncDisposableStack();
  const place = releases.use(await makePlace());
  await cp(inject('emptyDataDirectory'), place.dataDir, { recursive: true });
  releases.move();
  return place;
}

/** Installs `npm start` as a separate process. */
export const installEmbedded: Install = async (environment) => {
  const place = await makePreparedPlace();
  return {
    start: () => startStandalone({ ...place.environment, ...withoutRateLimits, ...environment }),
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
};
