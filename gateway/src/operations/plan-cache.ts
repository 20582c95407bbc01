import type { QueryPlan } from '@apollo/query-planner';
import { isCodedError } from '@voucher-gateway/platform/errors';
import { LRUCache } from 'lru-cache';
import { bytesOfCompiled } from '../execution/memory.ts';
import type { PlanRequest } from '../planning/plan-operation.ts';
import type { Planner } from '../planning/planner.ts';
import type { Requester } from '../scheduling/wait-queue.ts';
import { SegmentedCache } from './segmented-cache.ts';

const maxPlanBytes = 67_108_864;
/** Operations whose planning timed out are not retried for this time. */
const refusedForMs = 60_000;

/** Plans by key. Concurrent calls for the same plan share the work. */
export interface PlanCache {
  /**
   * Returns the cached plan, or plans the operation.
   *
   * @param key equal for equal requests
   * @throws what `Planner.plan` throws
   */
  plan(key: string, wanted: WantedPlan, requester: Requester): Promise<QueryPlan>;
}

/** What is planned, and its number of selections with fragments expanded. */
export interface WantedPlan {
  request: PlanRequest;
  selections: number;
}

/** A plan in progress, shared by all callers that wait for it. */
interface Planning {
  result: Promise<QueryPlan>;
  waiting: number;
  /** Aborted when no caller waits any more. */
  left: AbortController;
}

export function createPlanCache(planner: Planner): PlanCache {
  const plans = new SegmentedCache<{ plan: QueryPlan }>(maxPlanBytes);
  const refused = new LRUCache<string, Error>({ max: 1_000, ttl: refusedForMs });
  const inProgress = new Map<string, Planning>();

  const start = (key: string, { request, selections }: WantedPlan, { name, onWait }: Requester): Planning => {
    const left = new AbortController();
    const plan = async () => {
      try {
        const planned = await planner.plan(request, { name, onWait, signal: left.signal });
        plans.set(key, { plan: planned.plan }, planned.bytes + bytesOfCompiled(selections));
        return planned.plan;
      } catch (error) {
        if (isCodedError(error, 'OPERATION_TOO_COMPLEX')) refused.set(key, error);
        throw error;
      } finally {
        // A new plan may have been started since all callers of this one have left.
        if (inProgress.get(key)?.left === left) inProgress.delete(key);
      }
    };
    const planning: Planning = { result: plan(), left, waiting: 0 };
    inProgress.set(key, planning);
    return planning;
  };
  /** Waits for a plan in progress. It is aborted once all callers have left. */
  const waitFor = async (key: string, planning: Planning, signal: AbortSignal | undefined): Promise<QueryPlan> => {
    const leave = () => {
      planning.waiting -= 1;
      if (planning.waiting > 0) return;
      if (inProgress.get(key) === planning) inProgress.delete(key);
      planning.left.abort();
    };
    planning.waiting += 1;
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await planning.result;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  };

  return {
    async plan(key, wanted, requester) {
      const cached = plans.get(key);
      if (cached) return cached.plan;
      const error = refused.get(key);
      if (error) throw error;
      return waitFor(key, inProgress.get(key) ?? start(key, wanted, requester), requester.signal);
    },
  };
}
