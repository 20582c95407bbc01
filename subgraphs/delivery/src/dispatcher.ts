import type { Clock } from '@voucher-gateway/platform/clock';
import type { Database } from '@voucher-gateway/platform/database';
import { createFailureLines } from '@voucher-gateway/platform/failure-lines';
import type { JobContext } from '@voucher-gateway/platform/jobs';
import type { Log } from '@voucher-gateway/platform/log';
import { createSlots } from '@voucher-gateway/platform/slots';
import type { Channels, Prepared, Send } from './channels.ts';
import type { DeliveryStore } from './delivery-store.ts';
import type { PlannedDelivery } from './plan.ts';
import { failed, type SendResult } from './send-result.ts';
import type { Delivery } from './tables.ts';

/** Makes attempts, a bounded number at once, outside of whoever asks for them. */
export interface Dispatcher extends AsyncDisposable {
  /** Stores deliveries and starts their first attempts; resolves once they are stored. */
  deliver(planned: readonly PlannedDelivery[]): Promise<void>;
  /** Starts a user's own delivery anew; null where there is none. */
  redeliver(deliveryId: string, userId: string): Promise<Delivery | null>;
  /** Handles a job: resolves once its attempt has begun, or where another has replaced it. */
  runJob(data: { deliveryId: string }, context: Pick<JobContext, 'id' | 'signal'>): Promise<void>;
}

export interface DispatcherOptions {
  store: DeliveryStore;
  send: Send;
  /** Begins what a first attempt needs while its delivery is being stored. Default: `send` reads it. */
  prepare?: Channels['prepare'];
  database: Pick<Database, 'now'>;
  clock: Clock;
  log: Log;
  /** Attempts at once. Default: 256. */
  concurrency?: number;
  /** Attempts that run when it is disposed get this long to end, in real milliseconds. Default: 2 s. */
  drainMs?: number;
}

export function createDispatcher({
  store,
  send,
  prepare,
  database,
  clock,
  log,
  concurrency = 256,
  drainMs = 2_000,
}: DispatcherOptions): Dispatcher {
  const slots = createSlots(concurrency);
  const stop = new AbortController();
  const logFailure = createFailureLines(log);

  return {
    async deliver(planned) {
      if (planned.length === 0) return;
      // With no slot free the jobs make the first attempts, as soon as they get one.
      const begin = slots.tryTake(planned.length);
      const prepared = new Map(begin && prepare ? planned.map((each) => [each.id, prepare(each)]) : []);
      // Whoever uses it meets its failure.
      for (const preparing of prepared.values()) preparing.catch(() => {});
      let started = 0;
      try {
        for (const delivery of await store.record(planned, { begin })) {
          if (!begin) continue;
          started += 1;
          start(delivery, prepared.get(delivery.id));
        }
      } finally {
        if (begin) for (let unused = planned.length - started; unused > 0; unused -= 1) slots.release();
      }
    },
    async redeliver(deliveryId, userId) {
      const begin = slots.tryTake(1);
      let started = false;
      try {
        const result = await store.redeliver(deliveryId, userId, { begin });
        if (result?.begun) {
          started = true;
          start(result.delivery);
        }
        return result?.delivery ?? null;
      } finally {
        if (begin && !started) slots.release();
      }
    },
    async runJob({ deliveryId }, { id, signal }) {
      await slots.take(signal);
      let started = false;
      try {
        const delivery = await store.begin(deliveryId, id);
        if (!delivery) return;
        started = true;
        start(delivery);
      } finally {
        if (!started) slots.release();
      }
    },
    async [Symbol.asyncDispose]() {
      const timer = setTimeout(() => stop.abort(new DOMException('Delivery stops', 'AbortError')), drainMs);
      await slots.idle();
      clearTimeout(timer);
    },
  };

  /** Makes an attempt that has begun, and gives its slot back. */
  function start(delivery: Delivery, prepared?: Promise<Prepared>): void {
    makeAttempt(delivery, prepared)
      .catch((error: unknown) =>
        logFailure({ error, deliveryId: delivery.id }, 'an attempt could not be stored; its job makes another'),
      )
      .finally(() => slots.release());
  }

  async function makeAttempt(delivery: Delivery, prepared?: Promise<Prepared>): Promise<void> {
    const at = database.now();
    const beganAt = clock.now();
    const result = await send(delivery, stop.signal, prepared).catch((error: unknown): SendResult => {
      logFailure({ error, deliveryId: delivery.id }, 'an attempt broke on our side');
      return failed('INTERNAL_ERROR');
    });
    if (result.outcome === 'stopped') return;
    const durationMs = Math.max(0, Math.round(clock.now() - beganAt));
    const { id: deliveryId, requestId, channel, turn } = delivery;
    const { status } = await store.settle({ deliveryId, turn, at, durationMs, result });
    const fields = { deliveryId, requestId, channel, turn, httpStatus: result.status, durationMs };
    if (result.outcome === 'delivered') log.info(fields, 'delivered');
    else if (status === 'FAILED') log.warn({ ...fields, reason: result.error }, 'given up after the last attempt');
    else log.info({ ...fields, reason: result.error }, 'an attempt failed');
  }
}
