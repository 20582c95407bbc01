import type { Clock } from '@voucher-gateway/platform/async/clock';
import type { Log } from '@voucher-gateway/platform/process/log';
import { isCallbackFault } from './behaviours.ts';
import { postCallback } from './callback.ts';
import { s256 } from './derive.ts';
import type { Order, Orders } from './orders.ts';
import { createWaits } from './waits.ts';

/** The provider responds with a challenge after this time. */
const acknowledgeAfterMs = 3_000;
/** A code that is posted later than this after its order has the status `LATE_SUCCESS`. */
const lateAfterMs = 30_000;

/**
 * Delivers the codes of orders: in the response, or later by callback. Disposing cancels all pending responses and
 * callbacks.
 */
export interface Fulfilment extends Disposable {
  /** Resolves with the response: the code if it is ready within 3 s, else the challenge. */
  respond(order: Order): Promise<object>;
  /** Schedules the callback with the late code, unless it is already scheduled. */
  scheduleCallback(order: Order): void;
}

export function createFulfilment({ orders, clock, log }: { orders: Orders; clock: Clock; log: Log }): Fulfilment {
  const waits = createWaits(clock);
  const stop = new AbortController();
  /** Keys of orders whose callback is scheduled. */
  const scheduled = new Set<string>();

  const postCode = async (order: Order): Promise<void> => {
    const { behaviour, derived } = order;
    const isEarly = behaviour.fault === 'callback-before-acknowledgement';
    if (!isEarly) await waits.wait(Math.max(order.requestedAt + behaviour.delayMs - clock.now(), 0));
    const isLate = clock.now() - order.requestedAt > lateAfterMs;
    const body = {
      codeVerifier: behaviour.fault === 'wrong-verifier' ? s256(derived.codeVerifier) : derived.codeVerifier,
      status: isLate ? 'LATE_SUCCESS' : 'SUCCESS',
      voucherCode: derived.voucherCode,
      message: isLate
        ? 'Thank you for your patience, your voucher code is ready.'
        : 'Thank you for using our services, your voucher code is ready.',
    };
    const times = behaviour.fault === 'duplicate-callback' ? 2 : 1;
    for (let time = 0; time < times; time += 1) {
      if (await postCallback(order.callbackUrl, body, { clock, log, signal: stop.signal })) order.delivered = true;
    }
    order.givenUp = !order.delivered;
    orders.save(order);
  };

  const scheduleCallback = (order: Order) => {
    if (scheduled.has(order.key) || order.behaviour.fault === 'silence') return;
    scheduled.add(order.key);
    postCode(order)
      .catch((error: unknown) => {
        if (!stop.signal.aborted) log.warn({ error, key: order.key }, 'a callback failed');
      })
      .finally(() => scheduled.delete(order.key));
  };

  return {
    scheduleCallback,
    async respond(order) {
      const { behaviour, derived } = order;
      const readyInMs = order.requestedAt + behaviour.delayMs - clock.now();
      const isSilent = behaviour.fault === 'silence';
      if (!isSilent && readyInMs < acknowledgeAfterMs && !isCallbackFault(behaviour.fault)) {
        await waits.wait(Math.max(readyInMs, 0));
        order.delivered = true;
        orders.save(order);
        return {
          status: 'SUCCESS',
          voucherCode: derived.voucherCode,
          message: 'Thank you for using our services, your voucher code is ready.',
        };
      }
      if (!isSilent) scheduleCallback(order);
      if (!order.acknowledged) await waits.wait(acknowledgeAfterMs);
      order.acknowledged = true;
      orders.save(order);
      const isPlain = behaviour.fault === 'plain';
      return {
        codeChallenge: isPlain ? derived.codeVerifier : derived.codeChallenge,
        transformMethod: isPlain ? 'plain' : 'S256',
        message: 'Your request is being processed within 30 seconds',
      };
    },
    [Symbol.dispose]() {
      stop.abort(new DOMException('The provider stops', 'AbortError'));
      waits[Symbol.dispose]();
    },
  };
}
