import { cp } from 'node:fs/promises';
import { createTemporaryStack } from '@voucher-gateway/standalone/temporary-stack';
import { inject } from 'vitest';
import { makePlace, type Place, startStandalone } from '../standalone-process.ts';
import type { Install, StartSystem } from '../system.ts';

/** A suite's customers all come from one address. */
const withoutRateLimits = { RATE_LIMITS: 'off' };

/** All in this process, on embedded engines. */
export const startEmbedded: StartSystem = (environment = {}) =>
  createTemporaryStack({
    environment: { ...withoutRateLimits, ...environment },
    dataFrom: inject('emptyDataDirectory'),
  });

/** A place whose database is there and empty: a first start takes twice as long as the next ones. */
export async function makePreparedPlace(): Promise<Place> {
  await using releases = new AsyncDisposableStack();
  const place = releases.use(await makePlace());
  await cp(inject('emptyDataDirectory'), place.dataDir, { recursive: true });
  releases.move();
  return place;
}

/** `npm start`, as a process of its own. */
export const installEmbedded: Install = async (environment) => {
  const place = await makePreparedPlace();
  return {
    start: () => startStandalone({ ...place.environment, ...withoutRateLimits, ...environment }),
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
};
