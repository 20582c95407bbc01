import type { Database } from '@voucher-gateway/platform/database';
import type { Log } from '@voucher-gateway/platform/log';
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
  /** Where the provider posts a request's late code. */
  callbackUrlOf(requestId: string): string;
}

/**
 * Makes the function that asks the provider about a WAITING request and stores what comes next, in one
 * transaction: the code, a refusal, or the challenge or failure together with the job that asks again.
 *
 * Who was acknowledged and hears nothing is asked again after VPS_SILENCE_AFTER, who failed after
 * VPS_RETRY_BASE, each time after twice as long; a last time when GIVE_UP_AFTER has passed, and then the
 * request fails. A provider that acknowledges for the first time as late as that has its 30 s, and is asked once
 * more. The key is the same each time, so the provider sells once.
 */
export function createAsk({ config, database, log, provider, store, callbackUrlOf }: AskOptions) {
  const deadlineOf = (request: ProviderRequest) => request.requestedAt.getTime() + config.GIVE_UP_AFTER;

  return async (request: Extract<ProviderRequest, { status: 'WAITING' }>, signal: AbortSignal): Promise<void> => {
    const { requestId, phoneNumber } = request;
    const isLast = database.now() >= deadlineOf(request);
    const answered = await provider.ask({ requestId, phoneNumber, callbackUrl: callbackUrlOf(requestId) }, signal);
    const answer = answered.kind === 'refused' && isAcknowledged(request) ? notRefused(answered) : answered;
    log.debug({ requestId, answer: answer.kind, attempt: request.attempts + 1 }, 'the provider was asked');
    const atMs = database.now();
    if (answer.kind === 'code') {
      await store.settleTogether(request, { voucherCode: answer.voucherCode, status: 'SUCCESS', atMs });
      return;
    }
    if (answer.kind === 'refused') {
      log.warn({ requestId, failure: answer.error }, 'the provider refused a request');
      await database.transaction((tx) => store.fail(tx, requestId, 'PROVIDER_REFUSED', atMs));
      return;
    }
    if (answer.kind === 'failed') logFailure(request, answer);
    if (!isLast || isFirstAcknowledgement(request, answer)) {
      const delayMs = delayUntilNext(request, answer, deadlineOf(request) - atMs);
      await store.noteTogether({ requestId, answer, delayMs });
      return;
    }
    await database.transaction(async (tx) => {
      await store.note(tx, { requestId, answer, delayMs: null });
      await store.fail(tx, requestId, isAcknowledged(request) ? 'PROVIDER_SILENT' : 'PROVIDER_UNAVAILABLE', atMs);
    });
  };

  function logFailure(request: ProviderRequest & { status: 'WAITING' }, { error, isAlarming }: Failure): void {
    const about = { requestId: request.requestId, failure: error, attempt: request.attempts + 1 };
    if (isAlarming)
      log.error(about, 'the provider turns us away; it is asked again, and may take somebody to set right');
    else log.warn(about, 'the provider failed a request');
  }

  function delayUntilNext(
    request: Extract<ProviderRequest, { status: 'WAITING' }>,
    answer: ProviderAnswer,
    leftMs: number,
  ): number {
    const firstMs = answer.kind === 'challenge' ? config.VPS_SILENCE_AFTER : config.VPS_RETRY_BASE;
    // Jitter, so that those who failed together don't come back together; the last one comes at the deadline.
    const jitter = 0.75 + Math.random() / 2;
    const longestMs = Math.max(config.VPS_RETRY_MAX / 1.25, firstMs);
    const jittered = Math.min(firstMs * 2 ** Math.min(request.attempts, 30), longestMs) * jitter;
    const lateMs = isFirstAcknowledgement(request, answer) ? Math.min(config.VPS_SILENCE_AFTER, lateAfterMs) : 1;
    return Math.max(lateMs, Math.min(jittered, leftMs));
  }
}

type Failure = Extract<ProviderAnswer, { kind: 'failed' }>;

function isAcknowledged({ challenges }: ProviderRequest): boolean {
  return challenges.length > 0;
}

function isFirstAcknowledgement(request: ProviderRequest, { kind }: ProviderAnswer): boolean {
  return kind === 'challenge' && !isAcknowledged(request);
}

/** A provider that has acknowledged a request may have sold: that it refuses it now is no answer. */
function notRefused({ error }: { error: string }): Failure {
  return { kind: 'failed', error, isAlarming: true };
}
