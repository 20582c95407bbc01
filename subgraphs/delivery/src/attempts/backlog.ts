import { setImmediate } from 'node:timers/promises';
import { pause } from '@voucher-gateway/platform/async/pause';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import type { Admission, Permit } from '../endpoints/admission.ts';
import { type Endpoint, endpointOf, smsEndpointId } from '../endpoints/endpoint.ts';
import type { Delivery } from '../tables.ts';
import { type DeliveryQueues, type DueDeliveries, maxFailed } from './due-deliveries.ts';

/** Starts due deliveries until disposed. */
export interface Backlog extends AsyncDisposable {
  /** Looks for due deliveries now. */
  wake(): void;
}

export interface BacklogOptions {
  queues: DeliveryQueues;
  admission: Pick<Admission, 'tryAdmit'>;
  /** Makes an attempt in the background, and then releases its permit. */
  start(delivery: Delivery, permit: Permit): void;
  log: Log;
}

/** Interval of reads from the database. A due delivery whose endpoint has capacity is found within this time. */
const pollMs = 500;
/** Interval of reads while due deliveries wait for capacity. */
const blockedPollMs = 50;
/** Interval of searches for expired leases of dead processes. */
const releaseEveryMs = 1_000;
/** Minimum pause between two turns (runs of the loop), so that one SQL statement starts several deliveries. */
const gatherMs = 20;
/**
 * Factor for the pause after a turn that starts nothing: the pause is the length of the turn times this factor. So
 * blocked endpoints cost little.
 */
const restPerTurn = 5;
/** Limit of attempts that one turn starts. */
const maxStarted = 250;
/**
 * Limit of attempts that start in one iteration of Node's event loop. Signing and serialising take CPU time, which
 * would delay the first attempts of new deliveries.
 */
const startedAtOnce = 16;

/**
 * Starts due deliveries in turns. A turn reads a page of endpoints. It gives each endpoint with due deliveries one
 * permit, then each a second one, and so on. So an endpoint with many due deliveries does not delay the other
 * endpoints. The next turn reads the next page, even if some endpoints got no permit. So the limits of one user do not
 * delay later pages.
 */
export function startBacklog({ queues, admission, start, log }: BacklogOptions): Backlog {
  const lines = createRepeatedLines(log);
  const stop = new AbortController();
  /** Aborted by `wake`: then the pause ends as soon as its minimum has passed. */
  let woken = new AbortController();
  /** The last endpoint of the previous page; null if the next turn reads the first page. */
  let last: string | null = null;
  /** The last endpoint that got a permit in the first pass of a turn; null before the first permit. */
  let served: string | null = null;
  let releasedAt = Number.NEGATIVE_INFINITY;
  /**
   * Counts since the first page was read: endpoints with due deliveries (`due`), and started deliveries (`started`).
   */
  let round = { due: 0, started: 0 };

  /**
   * Takes a turn. Returns the pause after the turn (`restMs`), and the part of it that `wake` can not shorten
   * (`leastMs`).
   */
  const takeTurn = async (): Promise<{ leastMs: number; restMs: number }> => {
    const startedAt = performance.now();
    if (startedAt - releasedAt >= releaseEveryMs) {
      await queues.releaseExpired();
      releasedAt = startedAt;
    }
    if (last === null) round = { due: 0, started: 0 };
    const page = await queues.readDue(last);
    const isOnlyPage = last === null && page.last === null;
    last = page.last;
    if (page.disabled.length > 0) await failDisabled(page.disabled);
    // With a single page, the endpoint after `served` comes first. With several pages, a random endpoint comes first,
    // because `served` may be an endpoint of another page.
    const next = page.due.findIndex(({ endpointId }) => served !== null && endpointId > served);
    const first = isOnlyPage ? Math.max(next, 0) : Math.floor(Math.random() * page.due.length);
    const permits = admitInTurn([...page.due.slice(first), ...page.due.slice(0, first)], admission);
    served = [...permits.keys()].at(-1) ?? served;
    round.due += page.due.length;
    round.started += await startAll(permits);
    if (round.started > 0) return { leastMs: gatherMs, restMs: gatherMs };
    const leastMs = Math.min(Math.max((performance.now() - startedAt) * restPerTurn, gatherMs), pollMs);
    if (last !== null) return { leastMs, restMs: leastMs };
    return { leastMs, restMs: round.due > 0 ? Math.max(blockedPollMs, leastMs) : pollMs };
  };
  const failDisabled = async (endpointIds: readonly string[]): Promise<void> => {
    const count = await queues.fail(endpointIds);
    // `fail` has a limit. If the limit is reached, more deliveries may have to fail in the next turn. The pause before
    // the next turn is short only if deliveries were started. So the failed deliveries are counted as started.
    if (count === maxFailed) round.started += count;
    if (count > 0) log.info({ count }, 'deliveries failed because their endpoints are disabled');
  };
  const startAll = async (permits: ReadonlyMap<string, Permit[]>): Promise<number> => {
    if (permits.size === 0) return 0;
    let started = 0;
    try {
      const counts = new Map([...permits].map(([id, { length }]) => [id, length]));
      for (const delivery of await queues.begin(counts)) {
        const permit = permits.get(delivery.endpointId)?.pop();
        if (!permit) throw new Error('more deliveries were started than there were permits');
        if (started > 0 && started % startedAtOnce === 0) await setImmediate();
        started += 1;
        start(delivery, permit);
      }
    } finally {
      for (const permit of [...permits.values()].flat()) permit.release(null);
    }
    return started;
  };
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      woken = new AbortController();
      const { leastMs, restMs } = await takeTurn().catch((error: unknown) => {
        lines.warn('turn', { error }, 'due deliveries could not be started; they are retried');
        return { leastMs: pollMs, restMs: pollMs };
      });
      await pause(leastMs, stop.signal);
      if (!stop.signal.aborted) await pause(restMs - leastMs, woken.signal);
    }
  };
  const running = run();

  return {
    wake: () => woken.abort(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      woken.abort();
      await running;
    },
  };
}

/**
 * Shares the permits among the endpoints with due deliveries: each endpoint gets one, then each gets a second, and so on.
 * Returns the permits by endpoint, in the order of each endpoint's first permit.
 */
function admitInTurn(due: readonly DueDeliveries[], admission: Pick<Admission, 'tryAdmit'>): Map<string, Permit[]> {
  const permits = new Map<string, Permit[]>();
  let left = maxStarted;
  for (let waiting = due; waiting.length > 0 && left > 0; ) {
    waiting = waiting.filter((queue) => {
      const own = permits.get(queue.endpointId) ?? [];
      if (own.length === queue.count || left === 0) return false;
      const permit = admission.tryAdmit(endpointOfQueue(queue));
      if (!permit) return false;
      own.push(permit);
      permits.set(queue.endpointId, own);
      left -= 1;
      return true;
    });
  }
  return permits;
}

/**
 * Returns the endpoint of a queue. The queue of SMS has no user, so that no user's limits delay SMS. The previous
 * version also stored callbacks in the queue of SMS. Such callbacks do not change the endpoint of the queue.
 */
function endpointOfQueue({ endpointId: id, userId, url }: DueDeliveries): Endpoint {
  return { ...endpointOf({ userId, url: id === smsEndpointId ? null : url }), id };
}
