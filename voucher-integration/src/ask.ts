import type { Database } from '@voucher-gateway/platform/database';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import { lateAfterMs } from '@voucher-gateway/schema/vps-protocol';
import type { IntegrationConfig } from './config.ts';
import type { Provider, ProviderAnswer } from './provider.ts';
import type { ProviderRequest } from './state.ts';
import type { Store } from './store.ts';

export interface AskOptions {
  config: IntegrationConfig;
  database: Database;
  log: Log;
  provider: Provider;
  store: Store;
  /** Returns the URL to which the provider posts the late code of a request. */
  callbackUrlOf(requestId: string): string;
}

/**
 * Creates the function that sends a WAITING request to the provider, and stores the answer. A code ends the request,
 * and so does a refusal before the first acknowledgement. A challenge (the provider's acknowledgement) or a failure is
 * stored together with the job that retries.
 *
 * The first retry is made VPS_SILENCE_AFTER after an acknowledgement, or VPS_RETRY_BASE after a failure. The delay
 * doubles with each retry, up to VPS_RETRY_MAX. The last retry is made when the user's request is GIVE_UP_AFTER old. If
 * the last retry gets no code, the request fails.
 *
 * There is one exception. If the last retry gets the first acknowledgement, one more retry follows up to 30 s later.
 * Within this time, the provider may call back with the code.
 *
 * The idempotency key never changes, so that the provider sells only one code.
 */
export function createAsk({ config, database, log, provider, store, callbackUrlOf }: AskOptions) {
  const lines = createRepeatedLines(log);
  const deadlineOf = (request: ProviderRequest) => request.requestedAt.getTime() + config.GIVE_UP_AFTER;

  return async (request: Extract<ProviderRequest, { status: 'WAITING' }>, signal: AbortSignal): Promise<void> => {
    const { requestId, phoneNumber } = request;
    const isLast = database.now() >= deadlineOf(request);
    const askedAtMs = database.now();
    const received = await provider.ask({ requestId, phoneNumber, callbackUrl: callbackUrlOf(requestId) }, signal);
    const answer = received.kind === 'refused' && isAcknowledged(request) ? toFailure(received) : received;
    log.debug({ requestId, answer: answer.kind, attempt: request.attempts + 1 }, 'a request to the provider has ended');
    const atMs = database.now();
    if (answer.kind === 'code') {
      const code = { voucherCode: answer.voucherCode, status: 'SUCCESS', atMs, askedAtMs } as const;
      // Another process may have changed the request to FAILED in the meantime. Then the bought code is kept as
      // unclaimed.
      if (!(await store.settleInBatch(request, code)))
        await database.transaction((tx) => store.keepUnclaimed(tx, requestId, code));
      return;
    }
    if (answer.kind === 'refused') {
      log.warn({ requestId, failure: answer.error }, 'the provider refused a request');
      await database.transaction((tx) => store.fail(tx, requestId, { reason: 'PROVIDER_REFUSED', askedAtMs, atMs }));
      return;
    }
    if (answer.kind === 'failed') logFailure(request, answer);
    if (!isLast || isFirstAcknowledgement(request, answer)) {
      const delayMs = delayUntilNext(request, answer, deadlineOf(request) - atMs);
      await store.storeAnswerInBatch({ requestId, answer, delayMs, askedAtMs, atMs });
      return;
    }
    await database.transaction(async (tx) => {
      await store.storeAnswer(tx, { requestId, answer, delayMs: null, askedAtMs, atMs });
      const reason = isAcknowledged(request) ? 'PROVIDER_SILENT' : 'PROVIDER_UNAVAILABLE';
      await store.fail(tx, requestId, { reason, askedAtMs, atMs });
    });
  };

  function logFailure(request: ProviderRequest & { status: 'WAITING' }, { error, needsOperator }: Failure): void {
    const fields = { requestId: request.requestId, failure: error, attempt: request.attempts + 1 };
    if (needsOperator)
      lines.error(
        error,
        fields,
        'the provider rejects us; the request is retried, and an operator may have to fix the cause',
      );
    else lines.warn(error, fields, 'a request to the provider failed');
  }

  function delayUntilNext(
    request: Extract<ProviderRequest, { status: 'WAITING' }>,
    answer: ProviderAnswer,
    leftMs: number,
  ): number {
    const firstMs = answer.kind === 'challenge' ? config.VPS_SILENCE_AFTER : config.VPS_RETRY_BASE;
    // Jitter spreads the retries of requests that failed at the same time. `leftMs` is the time until GIVE_UP_AFTER
    // ends, when the last retry is made.
    const jitter = 0.75 + Math.random() / 2;
    const longestMs = Math.max(config.VPS_RETRY_MAX / 1.25, firstMs);
    const jittered = Math.min(firstMs * 2 ** Math.min(request.attempts, 30), longestMs) * jitter;
    const leastMs = isFirstAcknowledgement(request, answer) ? Math.min(config.VPS_SILENCE_AFTER, lateAfterMs) : 1;
    return Math.max(leastMs, Math.min(jittered, leftMs));
  }
}

type Failure = Extract<ProviderAnswer, { kind: 'failed' }>;

function isAcknowledged({ challenges }: ProviderRequest): boolean {
  return challenges.length > 0;
}

function isFirstAcknowledgement(request: ProviderRequest, { kind }: ProviderAnswer): boolean {
  return kind === 'challenge' && !isAcknowledged(request);
}

/**
 * Converts a refusal after an acknowledgement to a failure, because failures are retried. After an acknowledgement, the
 * provider may already have sold a code.
 */
function toFailure({ error }: { error: string }): Failure {
  return { kind: 'failed', error, needsOperator: true };
}
