import type { Database } from '@voucher-gateway/platform/database';
import type { JobQueue, Jobs } from '@voucher-gateway/platform/jobs';
import type { Log } from '@voucher-gateway/platform/log';
import type { IntegrationConfig } from './config.ts';
import type { Provider, ProviderAnswer } from './provider.ts';
import type { ProviderRequest } from './state.ts';
import type { Store } from './store.ts';

/** Asks the provider about a request again. */
export const askAgain: JobQueue<{ requestId: string }> = { name: 'integration-ask-again', timeoutMs: 60_000 };

export interface AskOptions {
  config: IntegrationConfig;
  database: Database;
  jobs: Jobs;
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
 * request fails. The key is the same each time, so the provider sells once.
 */
export function createAsk({ config, database, jobs, log, provider, store, callbackUrlOf }: AskOptions) {
  const deadlineOf = (request: ProviderRequest) => request.requestedAt.getTime() + config.GIVE_UP_AFTER;

  return async (request: Extract<ProviderRequest, { status: 'WAITING' }>, signal: AbortSignal): Promise<void> => {
    const { requestId, phoneNumber } = request;
    const isLast = database.now() >= deadlineOf(request);
    const answer = await provider.ask({ requestId, phoneNumber, callbackUrl: callbackUrlOf(requestId) }, signal);
    log.debug({ requestId, answer: answer.kind, attempt: request.attempts + 1 }, 'the provider was asked');
    const atMs = database.now();
    if (answer.kind === 'code') {
      await store.settleTogether(request, { voucherCode: answer.voucherCode, status: 'SUCCESS', atMs });
      return;
    }
    await database.transaction(async (tx) => {
      switch (answer.kind) {
        case 'refused':
          log.warn({ requestId, error: answer.error }, 'the provider refused a request');
          await store.fail(tx, requestId, 'PROVIDER_REFUSED', atMs);
          return;
        case 'challenge':
          await store.acknowledge(tx, requestId, answer.codeChallenge);
          break;
        case 'failed':
          log.warn({ requestId, error: answer.error, attempt: request.attempts + 1 }, 'the provider failed a request');
          await store.noteFailure(tx, requestId, answer.error);
          break;
      }
      if (isLast)
        await store.fail(
          tx,
          requestId,
          wasAcknowledged(request, answer) ? 'PROVIDER_SILENT' : 'PROVIDER_UNAVAILABLE',
          atMs,
        );
      else
        await jobs.schedule(
          tx,
          askAgain,
          { requestId },
          { delayMs: delayUntilNext(request, answer, deadlineOf(request) - atMs) },
        );
    });
  };

  function delayUntilNext(
    request: Extract<ProviderRequest, { status: 'WAITING' }>,
    answer: ProviderAnswer,
    leftMs: number,
  ): number {
    const firstMs = answer.kind === 'challenge' ? config.VPS_SILENCE_AFTER : config.VPS_RETRY_BASE;
    const backoffMs = Math.min(firstMs * 2 ** Math.min(request.attempts, 30), Math.max(config.VPS_RETRY_MAX, firstMs));
    // Jitter, so that those who failed together don't come back together; the last one comes at the deadline.
    const jittered = backoffMs * (0.75 + Math.random() / 2);
    return Math.max(1, Math.min(jittered, leftMs));
  }
}

function wasAcknowledged(request: ProviderRequest, answer: ProviderAnswer): boolean {
  return request.challenges.length > 0 || answer.kind === 'challenge';
}
