import { isCodedError, isRetryable } from '@voucher-gateway/platform/errors';
import { LRUCache } from 'lru-cache';
import { bytesOfCompiled } from '../execution/response/memory.ts';
import type { Plan } from '../planning/plan.ts';
import type { PlanRequest } from '../planning/plan-operation.ts';
import type { Planner } from '../planning/planner.ts';
import { type Requester, unavailable } from '../scheduling/wait-queue.ts';
import { SegmentedCache } from './segmented-cache.ts';

const maxPlanBytes = 67_108_864;
/** If planning times out, the operation is refused for this time without a new attempt. */
const refusedForMs = 60_000;

/** A cache of plans by key. Concurrent calls for the same plan share the planner's response. */
export interface PlanCache {
  /** Returns the cached plan. */
  find(key: string): Plan | undefined;
  /**
   * Returns the cached plan, or plans the operation.
   *
   * @param key identifies the plan: equal requests have equal keys
   * @throws the errors of `Planner.plan`
   */
  plan(key: string, wanted: WantedPlan, requester: Requester): Promise<Plan>;
  /** Caches the plan of `otherKey` for `key` as well. Does nothing if that plan is no longer cached. */
  reuse(key: string, otherKey: string): void;
}

/**
 * A request to the planner. The plan's memory is estimated from `selections`, the operation's number of selections with
 * fragments expanded.
 */
export interface WantedPlan {
  request: PlanRequest;
  selections: number;
}

interface CachedPlan {
  plan: Plan;
  /** Memory of the plan and its compiled operation. */
  bytes: number;
}

/**
 * A plan in progress. Each waiting requester has a request in the planner's queue. The planner's first response goes to
 * all waiting callers.
 */
interface Planning {
  key: string;
  /**
   * One request per requester, because requesters take turns in the planner's queue. If requesters shared one request,
   * all of them would have to wait for the turn of the first requester.
   */
  requests: Map<string, SharedRequest>;
}

/** A request to the planner, shared by all calls of one requester. */
interface SharedRequest extends PromiseWithResolvers<Plan> {
  planning: Planning;
  /** The requester's name. */
  name: string;
  /** Number of callers. */
  waiting: number;
  /** Aborted when no caller waits any more. */
  left: AbortController;
}

export function createPlanCache(planner: Planner): PlanCache {
  const plans = new SegmentedCache<CachedPlan>(maxPlanBytes);
  const refused = new LRUCache<string, Error>({ max: 1_000, ttl: refusedForMs });
  const inProgress = new Map<string, Planning>();

  const store = (key: string, cached: CachedPlan) => plans.set(key, cached, cached.bytes);
  const remove = ({ planning, name, left }: SharedRequest) => {
    const { key, requests } = planning;
    if (requests.get(name)?.left === left) requests.delete(name);
    // After the last caller left, another planning with the same key may have started. That planning must stay in the
    // map.
    if (requests.size === 0 && inProgress.get(key) === planning) inProgress.delete(key);
  };
  const settleAll = ({ requests }: Planning, settle: (shared: SharedRequest) => void) => {
    for (const shared of [...requests.values()]) {
      remove(shared);
      settle(shared);
      shared.left.abort();
    }
  };
  const start = (planning: Planning, { request, selections }: WantedPlan, { name, onWait }: Requester) => {
    const left = new AbortController();
    const shared: SharedRequest = { ...Promise.withResolvers<Plan>(), planning, name, waiting: 0, left };
    planning.requests.set(name, shared);
    inProgress.set(planning.key, planning);
    planner
      .plan(request, { name, onWait, signal: left.signal })
      .then(({ plan, bytes }) => {
        store(planning.key, { plan, bytes: bytes + bytesOfCompiled(selections) });
        shared.resolve(plan);
        settleAll(planning, ({ resolve }) => resolve(plan));
      })
      .catch((error: unknown) => {
        if (isCodedError(error, 'OPERATION_TOO_COMPLEX')) refused.set(planning.key, error);
        remove(shared);
        shared.reject(error);
        // A retryable error concerns only this requester: its entry in the queue was evicted or timed out.
        if (!isRetryable(error)) settleAll(planning, ({ reject }) => reject(error));
      });
    return shared;
  };
  /** Waits for the response. The request to the planner is aborted once all its callers have left. */
  const waitFor = async (shared: SharedRequest, signal: AbortSignal | undefined): Promise<Plan> => {
    const leave = () => {
      shared.waiting -= 1;
      if (shared.waiting > 0) return;
      remove(shared);
      shared.left.abort();
    };
    shared.waiting += 1;
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await shared.promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  };

  return {
    find: (key) => plans.get(key)?.plan,
    async plan(key, wanted, requester) {
      const cached = plans.get(key);
      if (cached) return cached.plan;
      const error = refused.get(key);
      if (error) throw error;
      const { name, signal } = requester;
      if (signal?.aborted) throw unavailable();
      const planning = inProgress.get(key) ?? { key, requests: new Map<string, SharedRequest>() };
      return waitFor(planning.requests.get(name) ?? start(planning, wanted, requester), signal);
    },
    reuse(key, otherKey) {
      const cached = plans.get(otherKey);
      if (cached) store(key, cached);
    },
  };
}
