import { silentLog } from '@voucher-gateway/platform/process/log';
import { expect, it } from 'vitest';
import { failed } from '../attempt-result.ts';
import { createAdmission, type Permit } from '../endpoints/admission.ts';
import { endpointOf } from '../endpoints/endpoint.ts';
import { testLimits } from '../testing/admission-limits.ts';
import { startBacklog } from './backlog.ts';
import type { DueDeliveries } from './due-deliveries.ts';

const pageSize = 1_000;

/** Returns one due delivery for each of `count` endpoints. The ids of the endpoints are in ascending order. */
function due(userId: string, prefix: string, count: number): DueDeliveries[] {
  return Array.from({ length: count }, (_, index) => ({
    endpointId: `${prefix}${String(index).padStart(6, '0')}`,
    count: 1,
    userId,
    url: `https://${prefix}${index}.example.com/`,
  }));
}

// Regression: each turn began with the endpoint that follows the last served endpoint. So one user with 5,000 endpoints
// delayed all other users.
it('fair turns: a user with thousands of slow endpoints does not delay others', async () => {
  const waiting = new Map([...due('ann', 'a', 5_000), ...due('ben', 'b', 1)].map((each) => [each.endpointId, each]));
  const admission = createAdmission({ limits: testLimits({ perUser: 4 }), log: silentLog });
  const running: Permit[] = [];
  const served = Promise.withResolvers<number>();
  let turns = 0;
  await using _backlog = startBacklog({
    queues: {
      releaseExpired: async () => {},
      async readDue(after) {
        turns += 1;
        // One of ann's attempts ends per turn.
        running.shift()?.release(failed('TIMEOUT'));
        const page = [...waiting.values()].filter(({ endpointId }) => after === null || endpointId > after);
        const last = page.length < pageSize ? null : (page[pageSize - 1]?.endpointId ?? null);
        return { due: page.slice(0, pageSize), disabled: [], last };
      },
      begin: async (counts) =>
        [...counts.keys()].flatMap((id) => {
          const found = waiting.get(id);
          waiting.delete(id);
          return found ? [{ ...found, ...endpointOf(found), endpointId: id } as never] : [];
        }),
      fail: async () => 0,
    },
    admission,
    start({ userId }, permit) {
      if (userId === 'ann') running.push(permit);
      else {
        permit.release(null);
        served.resolve(turns);
      }
    },
    log: silentLog,
  });
  // Each turn reads one page. So the other user, ben, is served after few turns.
  expect(await served.promise).toBeLessThanOrEqual(6);
  for (const permit of running) permit.release(null);
}, 20_000);
