import { type Clock, timeoutSignal } from '@voucher-gateway/platform/clock';
import type { Log } from '@voucher-gateway/platform/log';
import { failed, type SendResult } from './send-result.ts';

export interface Sms {
  /** E.164. */
  phoneNumber: string;
  text: string;
  /** The same in each attempt at the same message: a provider drops what it has had. */
  idempotencyKey: string;
}

/** The SMS port. Resolves once the provider has taken the message, rejects when it has not. */
export interface SmsSender {
  send(sms: Sms, options?: { signal?: AbortSignal }): Promise<void>;
}

/** The embedded sender: a line in the log, without number and text; the delivery's record tells the rest. */
export function createLogSmsSender({ log }: { log: Log }): SmsSender {
  return {
    async send({ idempotencyKey }) {
      log.info({ idempotencyKey }, 'an SMS would be sent now; there is no provider');
    },
  };
}

/** Makes one attempt at an SMS; never rejects, and waits no longer than `timeoutMs`. */
export async function sendSms(
  sms: Sms,
  { sender, clock, timeoutMs, stop }: { sender: SmsSender; clock: Clock; timeoutMs: number; stop: AbortSignal },
): Promise<SendResult> {
  using timeout = timeoutSignal(clock, timeoutMs);
  const signal = AbortSignal.any([timeout, stop]);
  const aborted = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => aborted.reject(signal.reason), { once: true });
  try {
    signal.throwIfAborted();
    await Promise.race([sender.send(sms, { signal }), aborted.promise]);
    return { outcome: 'delivered', status: null };
  } catch {
    if (timeout.aborted) return failed('TIMEOUT');
    if (stop.aborted) return { outcome: 'stopped' };
    return failed('SMS_FAILED');
  }
}
