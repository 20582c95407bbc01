import { describe, expect, it } from 'vitest';
import type { Planner } from '../planning/planner.ts';
import { createPlanCache } from './plan-cache.ts';

/** Requests plans for four operations, and then again for the first operation. Returns how often the planner ran. */
async function countPlanned(selections: number): Promise<number> {
  let planned = 0;
  const planner: Partial<Planner> = {
    async plan() {
      planned += 1;
      return { plan: { kind: 'QueryPlan' }, bytes: 100 };
    },
  };
  const plans = createPlanCache(planner as Planner);
  for (const key of ['a', 'b', 'c', 'd', 'a'])
    await plans.plan(key, { request: { text: key, operationName: null, conditions: {} }, selections }, { name: '' });
  return planned;
}

describe('plan cache', () => {
  it('counts what the compiled form of an operation takes', async () => {
    expect(await countPlanned(10)).toBe(4);
    // Each plan takes 6 MB. The 16 MiB for plans that were used once have room for two plans. So plan `a` was evicted,
    // and is planned again.
    expect(await countPlanned(10_000)).toBe(5);
  });
});
