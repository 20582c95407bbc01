import type { Clock } from '@voucher-gateway/platform/async/clock';
import { pause } from '@voucher-gateway/platform/async/pause';
import type { Database } from '@voucher-gateway/platform/database';
import { isRetryable } from '@voucher-gateway/platform/errors';
import { createFailureLines } from '@voucher-gateway/platform/process/failure-lines';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { SendResult } from '../attempt-result.ts';
import type { Send, SigningSecrets } from '../channels/channels.ts';
import type { Permit } from '../endpoints/admission.ts';
import { smsEndpointId } from '../endpoints/endpoint.ts';
import type { EndpointStore } from '../endpoints/endpoint-store.ts';
import type { Delivery, DeliveryStatus } from '../tables.ts';
import type { FinishedAttempt } from './delivery-states.ts';
import type { DeliveryStore } from './delivery-store.ts';

/** Makes attempts to deliver, in the background. */
export interface Attempts {
  /** Makes an attempt, stores its result, and then releases its permit. */
  start(delivery: Delivery, permit: Permit, prefetched?: Promise<SigningSecrets>): void;
}

export interface AttemptsOptions {
  store: Pick<DeliveryStore, 'settle'>;
  /** Receives the results of attempts at endpoints. */
  endpoints: Pick<EndpointStore, 'note'>;
  send: Send;
  database: Pick<Database, 'now'>;
  clock: Clock;
  log: Log;
  /** Aborts all attempts. */
  stop: AbortSignal;
}

/**
 * Time limit for storing a result, with retries. If all retries fail, the result is lost, and the attempt is repeated.
 */
const settleWithinMs = 300_000;
/**
 * Pause between retries of storing a result. The pause is shorter than the pause of the backlog (`pollMs`). So after an
 * outage, results are stored before the backlog starts new attempts.
 */
const settleAgainMs = 200;

const refile = { outcome: 'postponed', reason: 'QUEUE_CHANGED', delayMs: 0 } as const;

export function createAttempts({ store, endpoints, send, database, clock, log, stop }: AttemptsOptions): Attempts {
  const logFailure = createFailureLines(log);

  return {
    start: (delivery, permit, prefetched) => void makeAttempt(delivery, permit, prefetched),
  };

  /** Makes an attempt and stores its result. Never rejects. */
  async function makeAttempt(delivery: Delivery, permit: Permit, prefetched?: Promise<SigningSecrets>): Promise<void> {
    const { id: deliveryId, requestId, channel, turn } = delivery;
    let result: SendResult | null = null;
    try {
      const at = database.now();
      if (isMisfiled(delivery)) {
        await settle({ deliveryId, turn, at, durationMs: 0, result: refile });
        return;
      }
      const startedAt = clock.now();
      result = await send(delivery, stop, prefetched);
      if (result.outcome === 'stopped') return;
      const durationMs = Math.max(0, Math.round(clock.now() - startedAt));
      const { status } = await settle({ deliveryId, turn, at, durationMs, result });
      logResult(log, { deliveryId, requestId, channel, turn, durationMs }, result, status);
      await endpoints
        .note(delivery, result)
        .catch((error: unknown) =>
          logFailure({ error, deliveryId }, 'how an endpoint is could not be stored; a later attempt stores it'),
        );
    } catch (error) {
      const message = 'an attempt was not made, or not stored; it is made again when its lease has ended';
      logFailure({ error, deliveryId }, message);
    } finally {
      permit.release(result);
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
        if (!isRetryable(error) || performance.now() >= giveUpAt || stop.aborted) throw error;
        await pause(settleAgainMs, stop);
      }
    }
  }
}

function logResult(log: Log, fields: object, result: FinishedAttempt['result'], status: DeliveryStatus): void {
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

/**
 * Whether a callback is in the queue of SMS. The previous version stored callbacks there, where they delay SMS. Storing
 * any result moves the callback to the queue of its own endpoint.
 */
function isMisfiled({ endpointId, url }: Delivery): boolean {
  return endpointId === smsEndpointId && url !== null;
}
