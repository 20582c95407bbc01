import type { Clock } from '@voucher-gateway/platform/async/clock';
import type { Database } from '@voucher-gateway/platform/database';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { Channels, Send } from '../channels/channels.ts';
import type { Admission, Permit } from '../endpoints/admission.ts';
import { endpointOf } from '../endpoints/endpoint.ts';
import type { EndpointStore } from '../endpoints/endpoint-store.ts';
import type { PlannedDelivery } from '../plan-deliveries.ts';
import type { Delivery } from '../tables.ts';
import { createAttempts } from './attempts.ts';
import { startBacklog } from './backlog.ts';
import type { DeliveryStore } from './delivery-store.ts';
import type { DeliveryQueues } from './due-deliveries.ts';

/** Stores deliveries, and starts their attempts. */
export interface Dispatcher extends AsyncDisposable {
  /**
   * Stores deliveries, and starts as many of their first attempts as there is capacity for. Resolves once the
   * deliveries are stored.
   */
  deliver(planned: readonly PlannedDelivery[]): Promise<void>;
  /** Restarts a user's own delivery. Returns null if the user has no such delivery. */
  redeliver(deliveryId: string, userId: string): Promise<Delivery | null>;
  /** Starts no more attempts of due deliveries. Attempts in progress continue. */
  stopBacklog(): Promise<void>;
}

export interface DispatcherOptions {
  store: DeliveryStore;
  queues: DeliveryQueues;
  admission: Admission;
  /** Receives the results of attempts at endpoints. */
  endpoints: Pick<EndpointStore, 'note'>;
  send: Send;
  /** Reads the secrets for a first attempt while its delivery is being stored. Default: `send` reads them. */
  prefetch?: Channels['prefetch'];
  database: Pick<Database, 'now'>;
  clock: Clock;
  log: Log;
  /** On disposal, attempts in progress have this time to end, in milliseconds of the system clock. Default: 1.5 s. */
  drainMs?: number;
}

export function createDispatcher({
  store,
  queues,
  admission,
  endpoints,
  send,
  prefetch,
  database,
  clock,
  log,
  drainMs = 1_500,
}: DispatcherOptions): Dispatcher {
  const stop = new AbortController();
  const { start } = createAttempts({ store, endpoints, send, database, clock, log, stop: stop.signal });
  const backlog = startBacklog({ queues, admission, start, log });

  return {
    async deliver(planned) {
      if (planned.length === 0) return;
      const permits = new Map<string, Permit>();
      for (const plan of planned) {
        const permit = admission.tryAdmit(endpointOf(plan));
        if (permit) permits.set(plan.id, permit);
      }
      const prefetched = new Map(
        prefetch ? planned.flatMap((plan) => (permits.has(plan.id) ? [[plan.id, prefetch(plan)]] : [])) : [],
      );
      // The attempt handles a rejection when it awaits the promise. Until then, this listener prevents an
      // unhandledRejection.
      for (const promise of prefetched.values()) promise.catch(() => {});
      try {
        for (const delivery of await store.record(planned.map((plan) => ({ ...plan, begin: permits.has(plan.id) })))) {
          if (delivery.status !== 'PENDING') continue;
          const permit = permits.get(delivery.id);
          // A delivery without a permit waits in its queue.
          if (!permit) backlog.wake();
          else if (permits.delete(delivery.id)) start(delivery, permit, prefetched.get(delivery.id));
        }
      } finally {
        for (const permit of permits.values()) permit.release(null);
      }
    },
    async redeliver(deliveryId, userId) {
      const delivery = await store.redeliver(deliveryId, userId);
      backlog.wake();
      return delivery;
    },
    async stopBacklog() {
      await backlog[Symbol.asyncDispose]();
    },
    async [Symbol.asyncDispose]() {
      await backlog[Symbol.asyncDispose]();
      const timer = setTimeout(
        () => stop.abort(new DOMException('The delivery service is stopping', 'AbortError')),
        drainMs,
      );
      await admission.idle();
      clearTimeout(timer);
    },
  };
}
