import { type Clock, timeoutSignal } from '@voucher-gateway/platform/async/clock';
import { createGuardedConnector } from '@voucher-gateway/platform/egress/guarded-connector';
import type { NameResolver } from '@voucher-gateway/platform/egress/name-resolver';
import { type UrlPolicy, urlRefusal } from '@voucher-gateway/platform/egress/url-policy';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { SigningKeys } from '@voucher-gateway/platform/identity/signing-keys';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import { Agent, ProxyAgent, request } from 'undici';
import { type CallResult, delivered, failed, type PostponedResult } from '../../attempt-result.ts';
import type { DeliveryErrorCode } from '../../operator-errors.ts';
import { readCallFailure } from './call-failure.ts';
import { readExcerpt } from './read-excerpt.ts';
import { parseRetryAfterMs } from './retry-after.ts';
import { signatureHeader } from './signature.ts';

export interface Callback {
  /** The `webhook-id`. */
  id: string;
  url: string;
  body: string;
  /** The secrets to sign with, `whsec_…`. */
  secrets: readonly string[];
}

export interface CallbackSender extends AsyncDisposable {
  /** Makes one attempt. Never rejects. `stop` aborts it. Postponed: by a fault of ours. */
  send(callback: Callback, stop: AbortSignal): Promise<CallResult | PostponedResult>;
}

export interface CallbackSenderOptions {
  clock: Clock;
  /** Returns the time for `webhook-timestamp`, in milliseconds since the epoch. */
  now(): number;
  timeoutMs: number;
  policy: UrlPolicy;
  resolver: NameResolver;
  /** The service's keys. */
  keys: Pick<SigningKeys, 'signing'>;
  /** Proxy for all calls, by tunnels. It resolves the names, so only it can refuse their addresses. Default: none. */
  proxyUrl?: string | undefined;
  log: Log;
}

/** Time until an attempt is made again that a fault of ours has prevented, in milliseconds; up to twice that at random. */
const ownFaultRetryMs = 30_000;

/** Maximum of keys that sign, so that the header stays small however often they are rotated. */
const maxKeys = 4;

/** An idle connection is closed after this time, whatever `keep-alive` a receiver sends: a user has many receivers. */
const idleMs = 4_000;

/** Informational responses (1xx) of a receiver before its response; more are an invalid one. */
const maxInformational = 16;

/**
 * Creates a sender of callbacks by Standard Webhooks. 2xx is delivered, 410 is a final failure, any other status is a
 * failure. Redirects are not followed. A fault of ours is no attempt.
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
    // The attempt has its own time-out.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: 16_384,
    keepAliveTimeout: idleMs,
    keepAliveMaxTimeout: idleMs,
  };
  const agent = proxyUrl
    ? // A tunnel also without TLS: else the proxy's own responses, such as 407, look like those of the receiver.
      new ProxyAgent({ uri: proxyUrl, proxyTunnel: true, ...options })
    : new Agent({ connect: createGuardedConnector({ policy, resolver, timeoutMs }), ...options });

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
          // Each is read at full speed, and none ends the wait for the response.
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
        // The status decides, so errors of the body, and its time-out, are ignored.
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
        const failure = readCallFailure(error, proxyUrl !== undefined);
        return 'fault' in failure ? postpone(failure.fault, error) : failure.result;
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}
