import type { JobQueue } from '@voucher-gateway/platform/jobs';
import { v5 as uuidV5 } from 'uuid';

/**
 * The job that sends a request to the provider again. `attempts` is the number of attempts in the request's row when
 * the job was scheduled. If the row has another number when the job runs, another job has replaced this one. Then this
 * job does nothing.
 */
export const askAgain: JobQueue<{ requestId: string; attempts?: number }> = { name: 'integration-ask-again' };

const namespace = '1d0a3c5e-52d5-5f55-8f5c-3a1f0f3c9b7e';

/**
 * Returns the id of the job that retries a request. `attempts` is the number of attempts before the retry. When the
 * request ends, the job is deleted by this id.
 */
export function askAgainIdOf({ requestId, attempts }: { requestId: string; attempts: number }): string {
  return uuidV5(`${requestId}:${attempts}`, namespace);
}
