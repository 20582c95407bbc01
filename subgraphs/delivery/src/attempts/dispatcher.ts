import type { Clock } from '@voucher-gateway/platform/async/clock';
import { pause } from '@voucher-gateway/platform/async/pause';
import type { Database } from '@voucher-gateway/platform/database';
import { isRetryable } from '@voucher-gateway/platform/errors';
import { createFailureLines } from '@voucher-gateway/platform/process/failure-lines';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { SendResult } from '../attempt-result.ts';
import type { Channels, Send, SigningSecrets } from '../channels/channels.ts';
import type { Admission, Permit } from '../endpoints/admission.ts';
import { endpointOf, smsEndpointId } from '../endpoints/endpoint.ts';
import type { EndpointStore } from '../endpoints/endpoint-store.ts';
import type { PlannedDelivery } from '../plan-deliveries.ts';
import type { Delivery, DeliveryStatus } from '../tables.ts';
import { startBacklog } from './backlog.ts';
import type { DeliveryStore, FinishedAttempt } from './delivery-store.ts';
import type { DeliveryQueues } from './due-deliveries.ts';

/** Makes attempts in the background. */
export interface Dispatcher extends AsyncDisposable {
  /**
   * Stores deliveries and starts their first attempts, if there is capacity. Resolves once the deliveries are stored.
   */
  deliver(planned: readonly PlannedDelivery[]): Promise<void>;
  /** Restarts a user's own delivery. Returns null if the user has no such delivery. */
  redeliver(deliveryId: string, userId: string): Promise<Delivery | null>;
  /** Stops starting attempts of due deliveries. Attempts in progress continue. */
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
  /** Time for running attempts to end on disposal, in milliseconds of the system clock. Default: 1.5 s. */
  drainMs?: number;
}

/** Storing a result is retried for this time. After it the result is lost. */
const settleWithinMs = 300_000;
/**
 * Pause between these retries. It is shorter than the backlog's pause after a failure, so that results are stored
 * before further attempts start.
 */
const settleAgainMs = 200;

const refile = { outcome: 'postponed', reason: 'QUEUE_CHANGED', delayMs: 0 } as const;

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
  const logFailure = createFailureLines(log);
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
      // The attempt that awaits a promise handles its rejection. This listener prevents an unhandledRejection before
      // that.
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

  /** Makes an attempt in the background, and then releases its permit. */
  function start(delivery: Delivery, permit: Permit, prefetched?: Promise<SigningSecrets>): void {
    let result: SendResult | null = null;
    makeAttempt()
      .catch((error: unknown) =>
        logFailure(
          { error, deliveryId: delivery.id },
          'an attempt was not made, or not stored; it is made again when its lease has ended',
        ),
      )
      .finally(() => permit.release(result));

    async function makeAttempt(): Promise<void> {
      if (isMisfiled(delivery)) {
        await settle({
          deliveryId: delivery.id,
          turn: delivery.turn,
          at: database.now(),
          durationMs: 0,
          result: refile,
        });
        return;
      }
      const at = database.now();
      const startedAt = clock.now();
      result = await send(delivery, stop.signal, prefetched);
      if (result.outcome === 'stopped') return;
      const durationMs = Math.max(0, Math.round(clock.now() - startedAt));
      const { id: deliveryId, requestId, channel, turn } = delivery;
      const { status } = await settle({ deliveryId, turn, at, durationMs, result });
      logResult({ deliveryId, requestId, channel, turn, durationMs }, result, status);
      await endpoints
        .note(delivery, result)
        .catch((error: unknown) =>
          logFailure({ error, deliveryId }, 'how an endpoint is could not be stored; a later attempt stores it'),
        );
    }
  }

  /**
   * Stores a result, with retries during an outage of the database. If a result is lost, the receiver gets the same
   * callback again.
   */
  async function settle(finished: FinishedAttempt): Promise<Delivery> {
    const giveUpAt = performance.now() + settleWithinMs;
    for (;;) {
      try {
        return await store.settle(finished);
      } catch (error) {
        if (!isRetryable(error) || performance.now() >= giveUpAt || stop.signal.aborted) throw error;
        await pause(settleAgainMs, stop.signal);
      }
    }
  }

  function logResult(fields: object, result: FinishedAttempt['result'], status: DeliveryStatus): void {
    switch (result.outcome) {
      case 'delivered':
        log.info({ ...fields, httpStatus: result.status }, 'delivered');
        break;
      case 'accepted':
        log.info(fields, 'accepted by the SMS provider, whose report is awaited');
        break;
      case 'unreported':
        log.warn(fields, 'the SMS provider has not reported on an SMS that it accepted: it counts as delivered');
        break;
      case 'simulated':
        log.info(fields, 'simulated: nothing was sent, because no provider is configured');
        break;
      case 'postponed':
        log.info({ ...fields, reason: result.reason, delayMs: result.delayMs }, 'an attempt was postponed');
        break;
      case 'failed': {
        const failure = { ...fields, httpStatus: result.status, reason: result.error };
        if (status === 'FAILED') log.warn(failure, 'the delivery failed after its last attempt');
        else log.info(failure, 'an attempt failed');
      }
    }
  }
}

/**
 * Whether a callback waits in the SMS provider's queue, where the previous version stored it and where it would delay
 * SMS. Storing any result moves it to its own queue.
 */
function isMisfiled({ endpointId, url }: Delivery): boolean {
  return endpointId === smsEndpointId && url !== null;
}
