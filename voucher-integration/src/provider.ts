import { type Clock, timeoutSignal } from '@voucher-gateway/platform/async/clock';
import { createSemaphore } from '@voucher-gateway/platform/async/semaphore';
import { errorCode } from '@voucher-gateway/platform/errors';
import { readBoundedText } from '@voucher-gateway/platform/http/bounded-text';
import { answerSchema, idempotencyHeader, requestPath } from '@voucher-gateway/schema/vps-protocol';
import { Agent, request } from 'undici';

/** The provider's answer to a request. */
export type ProviderAnswer =
  | { kind: 'code'; voucherCode: string }
  | { kind: 'challenge'; codeChallenge: string }
  /** The provider refuses to sell. A retry would be useless. */
  | { kind: 'refused'; error: string }
  /**
   * There was no usable answer, and the request is retried. With `needsOperator` the cause is our credential, route or
   * request format.
   */
  | { kind: 'failed'; error: string; needsOperator?: boolean };

export interface Provider extends AsyncDisposable {
  /** Requests a code, with the request's id as the idempotency key. Rejects only when the signal aborts. */
  ask(
    voucherRequest: { requestId: string; phoneNumber: string; callbackUrl: string },
    signal: AbortSignal,
  ): Promise<ProviderAnswer>;
}

export interface ProviderOptions {
  /** Base URL of the provider. */
  url: string;
  /** The time after which the provider acknowledges, in milliseconds. Our time-out is a little longer. */
  timeoutMs: number;
  clock: Clock;
  /** Limit of concurrent requests. Further requests wait, and their time-out starts when they are sent. */
  concurrency: number;
}

/**
 * Added to `timeoutMs`. The provider acknowledges only after `timeoutMs`, so our time-out has to be a little longer.
 */
const graceMs = 1_000;
const maxAnswerBytes = 65_536;
/** Statuses after which a retry may succeed: time-out, conflict, too early, too many requests. */
const retryableStatuses = new Set([408, 409, 425, 429]);
/** Statuses that reject our credential, route or request format, and not the sale. A proxy may also send them. */
const operatorStatuses = new Set([401, 403, 404, 405, 406, 407, 411, 413, 414, 415, 421, 426, 428, 431]);

export function createProvider({ url, timeoutMs, clock, concurrency }: ProviderOptions): Provider {
  const agent = new Agent({
    connections: concurrency,
    pipelining: 1,
    // While HTTP/2 is allowed, undici's requests wait for the first TLS handshake.
    allowH2: false,
    connect: { timeout: timeoutMs },
  });
  // First requests and retries share the limit, so that a provider is not overloaded after an outage.
  const semaphore = createSemaphore(concurrency);
  return {
    async ask({ requestId, phoneNumber, callbackUrl }, signal) {
      await semaphore.acquire(signal);
      using timeout = timeoutSignal(clock, timeoutMs + graceMs);
      try {
        const response = await request(`${url}${requestPath}`, {
          dispatcher: agent,
          method: 'POST',
          headers: { 'content-type': 'application/json', [idempotencyHeader]: requestId },
          body: JSON.stringify({ phoneNumber, callbackUrl }),
          signal: AbortSignal.any([signal, timeout]),
        });
        const { statusCode, body } = response;
        if (statusCode >= 300) {
          await body.dump({ limit: maxAnswerBytes });
          const error = `HTTP_${statusCode}`;
          if (operatorStatuses.has(statusCode)) return { kind: 'failed', error, needsOperator: true };
          return statusCode >= 400 && statusCode < 500 && !retryableStatuses.has(statusCode)
            ? { kind: 'refused', error }
            : { kind: 'failed', error };
        }
        return parseAnswer(await readBoundedText(body, maxAnswerBytes));
      } catch (error) {
        signal.throwIfAborted();
        return { kind: 'failed', error: timeout.aborted ? 'TIMEOUT' : errorCode(error) };
      } finally {
        semaphore.release();
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

function parseAnswer(text: string | null): ProviderAnswer {
  let json: unknown = null;
  try {
    json = JSON.parse(text ?? '');
  } catch {
    return { kind: 'failed', error: 'ANSWER_NOT_JSON' };
  }
  const answer = answerSchema.safeParse(json);
  if (!answer.success) return { kind: 'failed', error: 'ANSWER_INVALID' };
  return 'voucherCode' in answer.data
    ? { kind: 'code', voucherCode: answer.data.voucherCode }
    : { kind: 'challenge', codeChallenge: answer.data.codeChallenge };
}
