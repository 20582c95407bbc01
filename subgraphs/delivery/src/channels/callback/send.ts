import { type Clock, timeoutSignal } from '@voucher-gateway/platform/async/clock';
import { createGuardedConnector } from '@voucher-gateway/platform/egress/guarded-connector';
import type { NameResolver } from '@voucher-gateway/platform/egress/name-resolver';
import { createTunnelConnector } from '@voucher-gateway/platform/egress/tunnel-connector';
import { type UrlPolicy, urlRefusal } from '@voucher-gateway/platform/egress/url-policy';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { SigningKeys } from '@voucher-gateway/platform/identity/signing-keys';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import { Agent, request } from 'undici';
import { type CallResult, delivered, failed, type PostponedResult } from '../../attempt-result.ts';
import type { DeliveryErrorCode } from '../../operator-errors.ts';
import { readCallFailure } from './call-failure.ts';
import { readExcerpt } from './read-excerpt.ts';
import { parseRetryAfterMs } from './retry-after.ts';
import { signatureHeader } from './signature.ts';

export interface Callback {
  /** The value of the header `webhook-id`. */
  id: string;
  url: string;
  body: string;
  /** The secrets that sign, in the form `whsec_…`. */
  secrets: readonly string[];
}

export interface CallbackSender extends AsyncDisposable {
  /** Makes one attempt, which `stop` aborts. Never rejects. If our side is at fault, the attempt is postponed. */
  send(callback: Callback, stop: AbortSignal): Promise<CallResult | PostponedResult>;
}

export interface CallbackSenderOptions {
  clock: Clock;
  /** Returns the time for the header `webhook-timestamp`, in milliseconds since the epoch. */
  now(): number;
  timeoutMs: number;
  policy: UrlPolicy;
  resolver: NameResolver;
  /** The service's signing keys. */
  keys: Pick<SigningKeys, 'signing'>;
  /**
   * URL of a proxy through which all calls go, in tunnels (CONNECT). The proxy resolves the names. So only the proxy
   * can refuse a name that leads to an internal address. Default: none.
   */
  proxyUrl?: string | undefined;
  log: Log;
}

/**
 * If our side is at fault, the attempt is repeated after this delay, in milliseconds. A random delay of up to the same
 * length is added.
 */
const ownFaultRetryMs = 30_000;

/** Limit of keys that sign, so that the header stays small however often keys are rotated. */
const maxKeys = 4;

/**
 * An idle connection is closed after this time, even if the receiver's header `keep-alive` allows more. Otherwise a
 * user with many receivers could use up the file descriptors of the process.
 */
const idleMs = 4_000;

/** Limit of informational responses (1xx) before the response. A receiver that sends more has responded invalidly. */
const maxInformational = 16;

/**
 * Creates a sender of callbacks that follows Standard Webhooks. A status 2xx means delivered, 410 a final failure, and
 * any other status a failure. Redirects are not followed. A call that fails because of our side does not count as an
 * attempt.
 */
export function createCallbackSender({
  clock,
  now,
  timeoutMs,
  policy,
  resolver,
  keys,
  proxyUrl,
  log,
}: CallbackSenderOptions): CallbackSender {
  const lines = createRepeatedLines(log);
  const options = {
    // undici's time-outs are turned off, because the attempt has a time-out of its own.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: 16_384,
    keepAliveTimeout: idleMs,
    keepAliveMaxTimeout: idleMs,
    // While HTTP/2 is allowed, undici's calls to one receiver wait for the first TLS handshake.
    allowH2: false,
  };
  // Calls to `http:` URLs also use a tunnel. Otherwise the proxy's own responses, such as 407, would look like
  // responses of the receiver.
  const tunnels = proxyUrl ? createTunnelConnector({ proxyUrl, timeoutMs }) : null;
  const connect = tunnels?.connect ?? createGuardedConnector({ policy, resolver, timeoutMs });
  const agent = new Agent({ connect, ...options });

  const postpone = (fault: string, cause: unknown): PostponedResult => {
    const error = new CodedError<DeliveryErrorCode>('CALLBACKS_UNAVAILABLE', fault, { cause });
    lines.error(fault, { error }, 'callbacks can not be sent by a fault of ours: they wait');
    const delayMs = Math.round(ownFaultRetryMs * (1 + Math.random()));
    return { outcome: 'postponed', reason: 'CALLBACKS_UNAVAILABLE', delayMs };
  };

  return {
    async send({ id, url, body, secrets }, stop) {
      if (!URL.canParse(url)) return failed('URL_INVALID', { final: true });
      if (urlRefusal(new URL(url), policy) !== null) return failed('ADDRESS_REFUSED', { final: true });
      using timeout = timeoutSignal(clock, timeoutMs);
      const flood = new AbortController();
      let informational = 0;
      const signal = AbortSignal.any([timeout, stop, flood.signal]);
      const timestampSeconds = Math.floor(now() / 1_000);
      const privateKeys = keys
        .signing()
        .slice(0, maxKeys)
        .map(({ privateKey }) => privateKey);
      try {
        const response = await request(url, {
          method: 'POST',
          dispatcher: agent,
          signal,
          // A receiver could send informational responses (1xx) endlessly. So their number is limited.
          onInfo() {
            informational += 1;
            if (informational > maxInformational) flood.abort();
          },
          body,
          headers: {
            'content-type': 'application/json',
            'user-agent': 'voucher-gateway',
            'webhook-id': id,
            'webhook-timestamp': String(timestampSeconds),
            'webhook-signature': signatureHeader({ id, timestampSeconds, body, secrets, privateKeys }),
          },
        });
        // Only the status determines the result. Errors and time-outs while reading the body are ignored.
        const excerpt = await readExcerpt(response.body, String(response.headers['content-encoding'] ?? ''));
        const status = response.statusCode;
        const text = excerpt === '' ? null : excerpt;
        if (status >= 200 && status < 300) return delivered(status, text);
        const retryAfterMs = parseRetryAfterMs(response.headers['retry-after'], now());
        return failed('HTTP_ERROR', { status, retryAfterMs, final: status === 410, response: text });
      } catch (error) {
        if (timeout.aborted) return failed('TIMEOUT');
        if (stop.aborted) return { outcome: 'stopped' };
        if (flood.signal.aborted) return failed('RESPONSE_INVALID');
        const failure = readCallFailure(error);
        return 'fault' in failure ? postpone(failure.fault, error) : failure.result;
      }
    },
    async [Symbol.asyncDispose]() {
      await agent.destroy();
      await tunnels?.[Symbol.asyncDispose]();
    },
  };
}
