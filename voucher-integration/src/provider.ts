import { readBoundedText } from '@voucher-gateway/platform/bounded-text';
import { type Clock, timeoutSignal } from '@voucher-gateway/platform/clock';
import { errorCode } from '@voucher-gateway/platform/errors';
import { createSlots } from '@voucher-gateway/platform/slots';
import { answerSchema, idempotencyHeader, requestPath } from '@voucher-gateway/schema/vps-protocol';
import { Agent, request } from 'undici';

/** How the provider answered. */
export type ProviderAnswer =
  | { kind: 'code'; voucherCode: string }
  | { kind: 'challenge'; codeChallenge: string }
  /** It will not sell: asking again is of no use. */
  | { kind: 'refused'; error: string }
  /** It did not answer as it should: ask again. With an alarm where that may take somebody to set right. */
  | { kind: 'failed'; error: string; isAlarming?: boolean };

export interface Provider extends AsyncDisposable {
  /** Asks for the code of a request; the same key however often. Rejects only when the signal aborts. */
  ask(
    voucherRequest: { requestId: string; phoneNumber: string; callbackUrl: string },
    signal: AbortSignal,
  ): Promise<ProviderAnswer>;
}

export interface ProviderOptions {
  /** Base URL of the provider. */
  url: string;
  /** The provider answers within this time; a little more is granted for the way there and back. */
  timeoutMs: number;
  clock: Clock;
  /** Requests to the provider at once, at most; further ones wait for their turn, and their time starts with it. */
  concurrency: number;
}

/** Granted on top of the time-out: the provider acknowledges right at its end. */
const graceMs = 1_000;
const maxAnswerBytes = 65_536;
/** Refusals that a later try may not get: time-out, conflict, too early, too many. */
const passing = new Set([408, 409, 425, 429]);
/** Refusals of our credential, of the route or of how we ask, by the provider or a proxy before it: not of the sale. */
const alarming = new Set([401, 403, 404, 405, 406, 407, 411, 413, 414, 415, 421, 426, 428, 431]);

export function createProvider({ url, timeoutMs, clock, concurrency }: ProviderOptions): Provider {
  const agent = new Agent({ connections: concurrency, pipelining: 1, connect: { timeout: timeoutMs } });
  // First and repeated requests share them: a provider that is back after an outage is not overrun.
  const slots = createSlots(concurrency);
  return {
    async ask({ requestId, phoneNumber, callbackUrl }, signal) {
      await slots.take(signal);
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
          if (alarming.has(statusCode)) return { kind: 'failed', error, isAlarming: true };
          return statusCode >= 400 && statusCode < 500 && !passing.has(statusCode)
            ? { kind: 'refused', error }
            : { kind: 'failed', error };
        }
        return read(await readBoundedText(body, maxAnswerBytes));
      } catch (error) {
        signal.throwIfAborted();
        return { kind: 'failed', error: timeout.aborted ? 'TIMEOUT' : errorCode(error) };
      } finally {
        slots.release();
      }
    },
    [Symbol.asyncDispose]: () => agent.close(),
  };
}

function read(text: string | null): ProviderAnswer {
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
