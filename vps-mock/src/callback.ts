import { type Clock, delay } from '@voucher-gateway/platform/async/clock';
import type { Log } from '@voucher-gateway/platform/process/log';
import { request } from 'undici';

const attempts = 8;
const firstDelayMs = 1_000;

/**
 * Posts the late code. Retries with backoff while the client is unreachable or overloaded.
 *
 * @returns true if the callback was accepted (2xx); false if it was refused, or if the last attempt failed
 */
export async function postCallback(
  url: string,
  body: object,
  { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal },
): Promise<boolean> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const status = await post(url, body, signal);
    log.debug({ attempt, status }, 'a callback was posted');
    if (status !== null && status < 300) return true;
    if (status !== null && status < 500 && status !== 408 && status !== 425 && status !== 429) return false;
    await delay(clock, firstDelayMs * 2 ** attempt, signal);
  }
  return false;
}

async function post(url: string, body: object, signal: AbortSignal): Promise<number | null> {
  try {
    const response = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      headersTimeout: 10_000,
      signal,
    });
    await response.body.dump();
    return response.statusCode;
  } catch (error) {
    if (signal.aborted) throw error;
    return null;
  }
}
