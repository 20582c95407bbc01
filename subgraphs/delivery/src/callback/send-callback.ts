import { type Clock, timeoutSignal } from '@voucher-gateway/platform/clock';
import { Agent, request } from 'undici';
import { parseRetryAfterMs } from '../retry.ts';
import { failed, type SendResult } from '../send-result.ts';
import { createGuardedConnector, type LookupAll } from './addresses.ts';
import { wordOf } from './send-error.ts';
import { signatureHeader } from './signature.ts';

export interface Callback {
  /** The `webhook-id`. */
  id: string;
  url: string;
  body: string;
  /** What to sign with, `whsec_…`. */
  secrets: readonly string[];
}

export interface CallbackSender extends AsyncDisposable {
  /** Makes one attempt; never rejects. `stop` ends it early. */
  send(callback: Callback, stop: AbortSignal): Promise<SendResult>;
}

export interface CallbackSenderOptions {
  clock: Clock;
  /** Time for `webhook-timestamp`, in milliseconds since the epoch. */
  now(): number;
  timeoutMs: number;
  /** Whether loopback and private addresses may be called. */
  allowLoopback: boolean;
  /** How names are resolved. Default: as the system does. */
  lookup?: LookupAll;
}

/** Of an answer's body this many bytes are read, and dropped, so that the connection can be used again. */
const bodyLimitBytes = 16_384;

/**
 * Sends callbacks by Standard Webhooks: 2xx is delivered, 410 is final, anything else is failed. Redirects are
 * not followed.
 */
export function createCallbackSender({
  clock,
  now,
  timeoutMs,
  allowLoopback,
  lookup,
}: CallbackSenderOptions): CallbackSender {
  const agent = new Agent({
    connect: createGuardedConnector({ allowLoopback, timeoutMs, ...(lookup && { lookup }) }),
    // The attempt's own time-out rules.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: 16_384,
  });

  return {
    async send({ id, url, body, secrets }, stop) {
      if (!/^https?:\/\//i.test(url)) return failed('URL_INVALID');
      using timeout = timeoutSignal(clock, timeoutMs);
      const signal = AbortSignal.any([timeout, stop]);
      const timestampSeconds = Math.floor(now() / 1_000);
      try {
        const response = await request(url, {
          method: 'POST',
          dispatcher: agent,
          signal,
          body,
          headers: {
            'content-type': 'application/json',
            'user-agent': 'voucher-gateway',
            'webhook-id': id,
            'webhook-timestamp': String(timestampSeconds),
            'webhook-signature': signatureHeader({ id, timestampSeconds, body, secrets }),
          },
        });
        // The status has decided; what comes of the body is of no interest.
        await response.body.dump({ limit: bodyLimitBytes, signal }).catch(() => {});
        const status = response.statusCode;
        if (status >= 200 && status < 300) return { outcome: 'delivered', status };
        const retryAfterMs = parseRetryAfterMs(response.headers['retry-after'], now());
        return failed('HTTP_ERROR', { status, retryAfterMs, final: status === 410 });
      } catch (error) {
        if (timeout.aborted) return failed('TIMEOUT');
        if (stop.aborted) return { outcome: 'stopped' };
        return failed(wordOf(error));
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}
