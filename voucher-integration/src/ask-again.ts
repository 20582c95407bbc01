import type { JobQueue } from '@voucher-gateway/platform/jobs';
import { v5 as uuidV5 } from 'uuid';

/**
 * Asks the provider about a request again. `attempts` is how often it had been asked then: where the row says
 * another number, another job has replaced this one, and it does nothing.
 */
export const askAgain: JobQueue<{ requestId: string; attempts?: number }> = { name: 'integration-ask-again' };

const namespace = '1d0a3c5e-52d5-5f55-8f5c-3a1f0f3c9b7e';

/** The id of the job that a request waits for after so many attempts: who ends the request deletes it by that. */
export function askAgainIdOf({ requestId, attempts }: { requestId: string; attempts: number }): string {
  return uuidV5(`${requestId}:${attempts}`, namespace);
}
