import { type Clock, delay, systemClock } from '@voucher-gateway/platform/async/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import { readBoundedText } from '@voucher-gateway/platform/http/bounded-text';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';

const path = '/.well-known/webhooks-jwks.json';
const keptMs = 60_000;
const retryAfterMs = 1_000;
const timeoutMs = 5_000;
/** Maximum time that a request waits for newer keys, if the gateway already has keys. */
const waitMs = 500;
const maxBytes = 262_144;
const keySetSchema = z.object({
  keys: z.array(z.looseObject({ kty: z.string() }).refine((key) => !('d' in key || 'k' in key), 'is not a public key')),
});

/**
 * Serves the public keys with which receivers verify callbacks. The keys belong to another service, but only the
 * gateway can be reached from outside. The gateway fetches the keys at most once per minute. After a failed fetch, the
 * gateway retries at most once per second. While that service does not respond, the gateway serves the last keys that
 * it has fetched.
 */
export function addWebhookKeys(
  app: FastifyInstance,
  { url, log, clock = systemClock }: { url: string; log: Log; clock?: Clock },
): void {
  const lines = createRepeatedLines(log);
  let keySet: string | null = null;
  /** True for a minute after a successful fetch, and for a second after a failed fetch. */
  let isFresh = false;
  let fetching: Promise<void> | null = null;
  /** Whether the last fetch failed. After a failure, requests get the known keys and do not wait for the next fetch. */
  let isFailing = false;

  /** Never rejects. */
  const load = async () => {
    try {
      keySet = await fetchKeySet(url);
      isFailing = false;
    } catch (error) {
      lines.warn('fetch', { error }, 'the public keys of callbacks could not be fetched');
      isFailing = true;
    }
    isFresh = true;
    clock.setTimer(isFailing ? retryAfterMs : keptMs, () => {
      isFresh = false;
    });
    fetching = null;
  };

  app.get(path, async (_request, reply) => {
    if (!isFresh) {
      fetching ??= load();
      if (keySet === null) await fetching;
      else if (!isFailing) await Promise.race([fetching, delay(clock, waitMs)]);
    }
    if (keySet === null)
      throw new CodedError<PublicErrorCode>('SERVICE_UNAVAILABLE', 'The keys can not be fetched at the moment.', {
        retryable: true,
      });
    return reply.headers({ 'content-type': 'application/json', 'cache-control': 'public, max-age=60' }).send(keySet);
  });
}

async function fetchKeySet(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' });
  const text = response.body ? await readBoundedText(response.body, maxBytes) : '';
  if (!response.ok) throw new Error(`the URL of the keys answered ${response.status}`);
  if (text === null) throw new Error(`the URL of the keys answered more than ${maxBytes} bytes`);
  return JSON.stringify(keySetSchema.parse(JSON.parse(text)));
}
