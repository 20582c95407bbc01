import { createTemporaryStack } from '@voucher-gateway/standalone/temporary-stack';
import { makePlace, startStandalone } from '../standalone-process.ts';
import type { Install, StartSystem } from '../system.ts';

/** A suite's customers all come from one address. */
const withoutRateLimits = { RATE_LIMITS: 'off' };

/** All in this process, on embedded engines. */
export const startEmbedded: StartSystem = (environment = {}) =>
  createTemporaryStack({ environment: { ...withoutRateLimits, ...environment } });

/** `npm start`, as a process of its own. */
export const installEmbedded: Install = async (environment) => {
  const place = await makePlace();
  return {
    start: () => startStandalone({ ...place.environment, ...withoutRateLimits, ...environment }),
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
};
