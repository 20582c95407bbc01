import type { Clock } from '@voucher-gateway/platform/async/clock';
import { createSemaphore } from '@voucher-gateway/platform/async/semaphore';
import type { Database } from '@voucher-gateway/platform/database';
import type { JobContext } from '@voucher-gateway/platform/jobs';
import { createFailureLines } from '@voucher-gateway/platform/process/failure-lines';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { Channels, Send, SigningSecrets } from '../channels/channels.ts';
import type { PlannedDelivery } from '../plan-deliveries.ts';
import type { Delivery } from '../tables.ts';
import type { DeliveryStore } from './delivery-store.ts';

/** Makes attempts in the background, a bounded number concurrently. */
export interface Dispatcher extends AsyncDisposable {
  /** Stores deliveries and starts their first attempts; resolves once they are stored. */
  deliver(planned: readonly PlannedDelivery[]): Promise<void>;
  /** Restarts a user's own delivery; null if there is none. */
  redeliver(deliveryId: string, userId: string): Promise<Delivery | null>;
  /** Handles a job. Resolves when its attempt has started, or if another job has replaced it. */
  runJob(data: { deliveryId: string }, context: Pick<JobContext, 'id' | 'signal'>): Promise<void>;
}

export interface DispatcherOptions {
  store: DeliveryStore;
  send: Send;
  /** Reads what a first attempt needs while its delivery is being stored. Default: `send` reads it. */
  prefetch?: Channels['prefetch'];
  database: Pick<Database, 'now'>;
  clock: Clock;
  log: Log;
  /** Concurrent attempts. Default: 256. */
  concurrency?: number;
  /** Time for running attempts to end on disposal, in milliseconds of the system clock. Default: 1.5 s. */
  drainMs?: number;
}

export function createDispatcher({
  store,
  send,
  prefetch,
  database,
  clock,
  log,
  concurrency = 256,
  drainMs = 1_500,
}: DispatcherOptions): Dispatcher {
  const semaphore = createSemaphore(concurrency);
  const stop = new AbortController();
  const logFailure = createFailureLines(log);

  return {
    async deliver(planned) {
      if (planned.length === 0) return;
      // Without a free permit the first attempts are left to the jobs.
      const begin = semaphore.tryAcquire(planned.length);
      const prefetched = new Map(begin && prefetch ? planned.map((each) => [each.id, prefetch(each)]) : []);
      // The attempt that awaits it handles a rejection; this prevents an unhandledRejection until then.
      for (const promise of prefetched.values()) promise.catch(() => {});
      let started = 0;
      try {
        for (const delivery of await store.record(planned, { begin })) {
          if (!begin) continue;
          started += 1;
          start(delivery, prefetched.get(delivery.id));
        }
      } finally {
        if (begin) for (let unused = planned.length - started; unused > 0; unused -= 1) semaphore.release();
      }
    },
    async redeliver(deliveryId, userId) {
      const begin = semaphore.tryAcquire(1);
      let started = false;
      try {
        const result = await store.redeliver(deliveryId, userId, { begin });
        if (result?.begun) {
          started = true;
          start(result.delivery);
        }
        return result?.delivery ?? null;
      } finally {
        if (begin && !started) semaphore.release();
      }
    },
    async runJob({ deliveryId }, { id, signal }) {
      await semaphore.acquire(signal);
      let started = false;
      try {
        const delivery = await store.begin(deliveryId, id);
        if (!delivery) return;
        started = true;
        start(delivery);
      } finally {
        if (!started) semaphore.release();
      }
    },
    async [Symbol.asyncDispose]() {
      const timer = setTimeout(
        () => stop.abort(new DOMException('The delivery service is stopping', 'AbortError')),
        drainMs,
      );
      await semaphore.idle();
      clearTimeout(timer);
    },
  };

  /** Makes an attempt in the background, and then releases its permit. */
  function start(delivery: Delivery, prefetched?: Promise<SigningSecrets>): void {
    makeAttempt(delivery, prefetched)
      .catch((error: unknown) =>
        logFailure(
          { error, deliveryId: delivery.id },
          'an attempt was not made, or not stored; its job retries the delivery',
        ),
      )
      .finally(() => semaphore.release());
  }

  async function makeAttempt(delivery: Delivery, prefetched?: Promise<SigningSecrets>): Promise<void> {
    const at = database.now();
    const startedAt = clock.now();
    const result = await send(delivery, stop.signal, prefetched);
    if (result.outcome === 'stopped') return;
    const durationMs = Math.max(0, Math.round(clock.now() - startedAt));
    const { id: deliveryId, requestId, channel, turn } = delivery;
    const { status } = await store.settle({ deliveryId, turn, at, durationMs, result });
    const fields = { deliveryId, requestId, channel, turn, httpStatus: result.status, durationMs };
    if (result.outcome === 'delivered') log.info(fields, 'delivered');
    else if (status === 'FAILED')
      log.warn({ ...fields, reason: result.error }, 'the delivery failed after its last attempt');
    else log.info({ ...fields, reason: result.error }, 'an attempt failed');
  }
}
