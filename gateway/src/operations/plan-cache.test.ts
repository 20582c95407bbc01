import { describe, expect, it } from 'vitest';
import type { Planner } from '../planning/planner.ts';
import { createPlanCache } from './plan-cache.ts';

/** Counts how often the planner runs if four operations are requested, and then the first operation again. */
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
    // Each plan takes 6 MB, and plans that were used once share a quarter of the cache: 16 MiB. So plan `a` was
    // evicted, and is planned again.
    expect(await countPlanned(10_000)).toBe(5);
  });
});
