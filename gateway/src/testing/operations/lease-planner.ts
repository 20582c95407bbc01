import { silentLog } from '@voucher-gateway/platform/process/log';
import { createPlanner, type Planner, type PlannerOptions } from '../../planning/planner.ts';

/**
 * Number of unused planners that are kept for later tests. It is small, because each planner is a thread with much
 * memory.
 */
const maxIdle = 2;
/** Longer time-outs than in production, because a busy machine may take more than 5 s to start a planner's thread. */
const patience = { waitTimeoutMs: 120_000, elapsedTimeoutMs: 120_000 };

interface SharedPlanner {
  planner: Planner;
  leases: number;
}

/** Planners by supergraph, the least recently leased first. */
const shared = new Map<string, SharedPlanner>();

/**
 * Leases a planner for a test's gateway. Gateways of this process with the same supergraph share one planner thread,
 * because its start takes half a second of CPU time. A disposed lease refuses new requests, and finishes earlier ones.
 */
export function leasePlanner(options: PlannerOptions): Planner {
  const { supergraphSdl, hideSuggestions, rejectUnauthorized = false } = options;
  const key = JSON.stringify([supergraphSdl, hideSuggestions, rejectUnauthorized]);
  // The planner gets a silent log and not the log of the test, because the planner outlives the test.
  const entry = shared.get(key) ?? { planner: createPlanner({ ...options, ...patience, log: silentLog }), leases: 0 };
  shared.delete(key);
  shared.set(key, entry);
  entry.leases += 1;
  const requested = new Set<Promise<unknown>>();
  const disposal = new AbortController();
  return {
    async plan(request, requester = { name: '' }) {
      // After the lease is disposed, requests are refused, although the shared planner still runs.
      const signal = AbortSignal.any([disposal.signal, ...(requester.signal ? [requester.signal] : [])]);
      const planned = entry.planner.plan(request, { ...requester, signal });
      requested.add(planned);
      return planned.finally(() => requested.delete(planned));
    },
    ping: () => entry.planner.ping(),
    async [Symbol.asyncDispose]() {
      if (disposal.signal.aborted) return;
      disposal.abort();
      await Promise.allSettled(requested);
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
