import { type Clock, timeoutSignal } from '@voucher-gateway/platform/async/clock';
import type { Log } from '@voucher-gateway/platform/process/log';
import { delivered, failed, type SendResult } from '../attempt-result.ts';

export interface Sms {
  /** E.164. */
  phoneNumber: string;
  text: string;
  /** The same in each attempt at the same message, so that the provider can drop duplicates. */
  idempotencyKey: string;
}

/** The SMS port. `send` resolves when the provider has accepted the message, and rejects otherwise. */
export interface SmsSender {
  send(sms: Sms, options?: { signal?: AbortSignal }): Promise<void>;
}

/** Creates the embedded sender: it writes a log line, without phone number and text. */
export function createLogSmsSender({ log }: { log: Log }): SmsSender {
  return {
    async send({ idempotencyKey }) {
      log.info({ idempotencyKey }, 'no SMS is sent, because no SMS provider is configured');
    },
  };
}

/** Makes one attempt to send an SMS, for at most `timeoutMs`. Never rejects. */
export async function sendSms(
  sms: Sms,
  { sender, clock, timeoutMs, stop }: { sender: SmsSender; clock: Clock; timeoutMs: number; stop: AbortSignal },
): Promise<SendResult> {
  using timeout = timeoutSignal(clock, timeoutMs);
  const signal = AbortSignal.any([timeout, stop]);
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    await Promise.race([sender.send(sms, { signal }), aborted.promise]);
    return delivered(null);
  } catch {
    if (timeout.aborted) return failed('TIMEOUT');
    if (stop.aborted) return { outcome: 'stopped' };
    return failed('SMS_FAILED');
  } finally {
    // A signal that depends on `stop` stays in memory as long as `stop`, while it has a listener.
    signal.removeEventListener('abort', onAbort);
  }
}
