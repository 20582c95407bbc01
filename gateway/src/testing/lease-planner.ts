import { silentLog } from '@voucher-gateway/platform/log';
import { createPlanner, type Planner, type PlannerOptions } from '../operations/planning/planner.ts';

/** Planners that nobody uses are kept for the next test, at most: each is a thread with a planner's memory. */
const maxIdle = 2;

interface SharedPlanner {
  planner: Planner;
  leases: number;
}

/** By what they plan. The least recently leased is first. */
const shared = new Map<string, SharedPlanner>();

/**
 * A planner for a test's gateway, whose thread others of this process with the same supergraph use as well: starting
 * one takes half a second of CPU. Disposed, it plans nothing more, and what it was asked before is answered.
 */
export function leasePlanner(options: PlannerOptions): Planner {
  const { supergraphSdl, hideSuggestions } = options;
  const key = JSON.stringify([supergraphSdl, hideSuggestions]);
  // It outlives the test's own log.
  const entry = shared.get(key) ?? { planner: createPlanner({ ...options, log: silentLog }), leases: 0 };
  shared.delete(key);
  shared.set(key, entry);
  entry.leases += 1;
  const asked = new Set<Promise<unknown>>();
  const disposal = new AbortController();
  return {
    async plan(request, requester = { name: '' }) {
      // As the planner refuses what is asked once it is disposed.
      const signal = AbortSignal.any([disposal.signal, ...(requester.signal ? [requester.signal] : [])]);
      const planned = entry.planner.plan(request, { ...requester, signal });
      asked.add(planned);
      return planned.finally(() => asked.delete(planned));
    },
    ping: () => entry.planner.ping(),
    async [Symbol.asyncDispose]() {
      if (disposal.signal.aborted) return;
      disposal.abort();
      await Promise.allSettled(asked);
      entry.leases -= 1;
      await closeIdle();
    },
  };
}

async function closeIdle() {
  const idle = [...shared].filter(([, { leases }]) => leases === 0);
  for (const [key, { planner }] of idle.slice(0, Math.max(0, idle.length - maxIdle))) {
    shared.delete(key);
    await planner[Symbol.asyncDispose]();
  }
}
