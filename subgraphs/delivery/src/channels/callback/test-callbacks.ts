import { randomUUID } from 'node:crypto';
import type { Clock } from '@voucher-gateway/platform/async/clock';
import { createSemaphore } from '@voucher-gateway/platform/async/semaphore';
import { normaliseCallbackUrl } from '@voucher-gateway/platform/egress/callback-url';
import type { UrlPolicy } from '@voucher-gateway/platform/egress/url-policy';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { createCounts } from '../../counts.ts';
import type { Attempt } from '../../tables.ts';
import { serializeBody } from './body.ts';
import type { CallbackSecrets } from './secrets.ts';
import type { CallbackSender } from './send.ts';

export interface TestCallback {
  webhookId: string;
  attempt: Omit<Attempt, 'deliveryId' | 'turn'>;
}

/** Sends test events. Disposing aborts the calls that are running. */
export interface TestCallbacks extends AsyncDisposable {
  /**
   * Sends a test event to a URL, in one attempt.
   *
   * @param caller the user, whose secrets sign the event, and a signal that aborts the attempt
   * @throws CodedError CALLBACK_URL_REFUSED; RATE_LIMITED if too many calls of the user are running;
   *   SERVICE_UNAVAILABLE (retryable) if too many calls of all users are running, or if the call was aborted
   */
  send(url: string, caller: { userId: string; signal: AbortSignal }): Promise<TestCallback>;
}

/** Limits of concurrent calls, in total and per user. A slow receiver may delay each call up to the time-out. */
const maxRunning = 64;
const maxRunningPerUser = 4;

export function createTestCallbacks({
  callbacks,
  secrets,
  policy,
  clock,
  now,
}: {
  callbacks: Pick<CallbackSender, 'send'>;
  secrets: Pick<CallbackSecrets, 'readSigning'>;
  policy: UrlPolicy;
  clock: Clock;
  /** Returns the current time for `attempt.at`, in milliseconds since the epoch. */
  now(): number;
}): TestCallbacks {
  const semaphore = createSemaphore(maxRunning);
  const perUser = createCounts();
  const stop = new AbortController();
  return {
    async send(text, { userId, signal }) {
      const url = normaliseCallbackUrl(text, { policy, argument: 'url' });
      if (perUser.of(userId) >= maxRunningPerUser) throw tooMany();
      if (!semaphore.tryAcquire(1)) throw unavailable('Too many test callbacks are running');
      perUser.add(userId, 1);
      try {
        const webhookId = randomUUID();
        const at = new Date(now());
        const body = serializeBody({
          type: 'callback.test',
          timestamp: at.toISOString(),
          data: { message: 'This is a test of your callback URL. There is no voucher.' },
        });
        const signing = await secrets.readSigning(userId);
        const startedAt = clock.now();
        const result = await callbacks.send(
          { id: webhookId, url, body, secrets: signing },
          AbortSignal.any([stop.signal, signal]),
        );
        if (result.outcome === 'stopped') throw unavailable('The test callback was aborted');
        if (result.outcome === 'postponed') throw unavailable('Callbacks can not be sent at the moment');
        const durationMs = Math.max(0, Math.round(clock.now() - startedAt));
        const error = result.outcome === 'failed' ? result.error : null;
        return { webhookId, attempt: { at, status: result.status, durationMs, error, response: result.response } };
      } finally {
        perUser.add(userId, -1);
        semaphore.release();
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new DOMException('The delivery service is stopping', 'AbortError'));
      await semaphore.idle();
    },
  };
}

function tooMany() {
  const message = `${maxRunningPerUser} test callbacks of yours are running; try again when one has ended.`;
  return new CodedError<PublicErrorCode>('RATE_LIMITED', message, {
    retryable: true,
    details: { retryAfterSeconds: 1 },
  });
}

function unavailable(reason: string) {
  return new CodedError<PublicErrorCode>('SERVICE_UNAVAILABLE', `${reason}; try again.`, { retryable: true });
}
